"""Bluetooth on Linux, from the bottom up: switch, kernel, bus, BlueZ, adapter."""

import asyncio
import re
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from becalm_ingest.doctor_finding import Finding, Verdict
from becalm_ingest.link_trouble import link_error
from becalm_ingest.system_bus import BusError, SystemBus, system_bus

Version = tuple[int, int]

_BLUEZ, _ADAPTER = "org.bluez", "org.bluez.Adapter1"
_OLDEST: Version = (5, 55)
# As reported in BlueZ's own tracker.
_KNOWN_BAD: tuple[tuple[Version, str], ...] = (
    ((5, 64), "links end by themselves and notifications stay away (bluez/bluez#509)"),
    ((5, 87), "the service crashes when any program scans for one kind of device (bluez/bluez#2282)"),
)
_VERSION_WITHIN_S = 3.0
_PROGRAMS = ("bluetoothctl", "/usr/libexec/bluetooth/bluetoothd", "/usr/lib/bluetooth/bluetoothd")
# The kernel's Security Manager takes these when an adapter comes up; without them nothing can bond.
_BONDING_CRYPTO = ("cmac(aes)", "ecdh-nist-p256")


async def examine(*, root: Path = Path("/")) -> list[Finding]:
    """Examine everything between the kernel and BlueZ."""
    findings = [*switches(root), *kernel(root), bluez_version(await _version_text())]
    try:
        async with system_bus() as bus:
            findings += [
                Finding(subject="D-Bus", verdict=Verdict.GOOD, found="the system bus answers"),
                *await _bluez(bus),
            ]
    except (FileNotFoundError, ConnectionRefusedError):
        advice = "apt-get install bluez, and start it; in a container pass /run/dbus/system_bus_socket on"
        findings.append(Finding(subject="D-Bus", verdict=Verdict.BAD, found="there is no system bus", advice=advice))
    except (BusError, OSError, EOFError) as exc:
        findings.append(_refused("D-Bus", exc))
    return findings


async def _bluez(bus: SystemBus) -> list[Finding]:
    try:
        objects = await bus.call(
            _BLUEZ, path="/", interface="org.freedesktop.DBus.ObjectManager", member="GetManagedObjects"
        )
    except (BusError, OSError, EOFError) as exc:
        return [_refused("BlueZ", exc)]
    return adapters(objects[0])


def switches(root: Path) -> list[Finding]:
    """Examine rfkill: Bluetooth switched off by software or by a key or slider."""
    findings = []
    for folder in sorted((root / "sys/class/rfkill").glob("rfkill*")):
        if _read(folder / "type") != "bluetooth":
            continue
        name = _read(folder / "name") or folder.name
        if _read(folder / "hard") == "1":
            advice = "Switch it on with the machine's key or slider for wireless, or in the BIOS"
            findings.append(_switch(Verdict.BAD, f"{name} is blocked by hardware", advice=advice))
        elif _read(folder / "soft") == "1":
            advice = "Switch it on: rfkill unblock bluetooth"
            findings.append(_switch(Verdict.BAD, f"{name} is blocked by software", advice=advice))
        else:
            findings.append(_switch(Verdict.GOOD, f"{name} is on"))
    return findings


def kernel(root: Path) -> list[Finding]:
    """Examine what the kernel has: an adapter, and the ciphers that bonding needs."""
    folder = root / "sys/class/bluetooth"
    names = sorted(path.name for path in folder.glob("hci*") if ":" not in path.name)
    if not names:
        found = "no adapter" if folder.is_dir() else "no Bluetooth in this kernel, or its modules are not loaded"
        advice = "Plug in an adapter; in a virtual machine or container pass the adapter on; else: modprobe btusb"
        return [Finding(subject="kernel", verdict=Verdict.NOTE, found=found, advice=advice)]
    ciphers = _read(root / "proc/crypto")
    lacking = [name for name in _BONDING_CRYPTO if name not in ciphers]
    if ciphers and lacking:
        found = f"{', '.join(names)}; not loaded: {', '.join(lacking)}"
        advice = "Only if a sensor cannot bond: modprobe ecdh_generic cmac, then switch Bluetooth off and on"
        return [Finding(subject="kernel", verdict=Verdict.NOTE, found=found, advice=advice)]
    return [Finding(subject="kernel", verdict=Verdict.GOOD, found=", ".join(names))]


def bluez_version(text: str) -> Finding:
    """Examine what `bluetoothctl --version` said."""
    match = re.search(r"(\d+)\.(\d+)", text)
    if match is None:
        found, advice = "of an unknown version", "becalm needs 5.55 or newer: bluetoothctl --version tells"
        return Finding(subject="BlueZ version", verdict=Verdict.NOTE, found=found, advice=advice)
    number = (int(match[1]), int(match[2]))
    if number < _OLDEST:
        advice = "Update the package bluez to 5.55 or newer, better 5.88"
        return Finding(subject="BlueZ version", verdict=Verdict.BAD, found=match[0], advice=advice)
    fault = dict(_KNOWN_BAD).get(number)
    advice = f"Update bluez to 5.88 or newer: {fault}"
    if fault is not None:
        return Finding(subject="BlueZ version", verdict=Verdict.NOTE, found=match[0], advice=advice)
    return Finding(subject="BlueZ version", verdict=Verdict.GOOD, found=match[0])


def adapters(objects: dict[str, dict[str, dict[str, Any]]]) -> list[Finding]:
    """Examine the adapters that BlueZ knows."""
    known = {path: interfaces[_ADAPTER] for path, interfaces in objects.items() if _ADAPTER in interfaces}
    if not known:
        return [_adapter(Verdict.BAD, "BlueZ has none", advice="Plug in a Bluetooth 4.0 adapter, or try: becalm demo")]
    findings = [_examined(path.rpartition("/")[2], props) for path, props in sorted(known.items())]
    good = [finding for finding in findings if finding.verdict is Verdict.GOOD]
    return good or findings  # one that works is enough


def _examined(name: str, props: dict[str, Any]) -> Finding:
    roles: Sequence[str] = props.get("Roles", ("central",))
    if "central" not in roles:
        return _adapter(Verdict.BAD, f"{name} is too old for sensors", advice="Plug in a Bluetooth 4.0 adapter")
    if not props.get("Powered"):
        advice = "Switch it on in the system settings, or: bluetoothctl power on"
        return _adapter(Verdict.BAD, f"{name} is off", advice=advice)
    return _adapter(Verdict.GOOD, f"{name} is on")


async def _version_text() -> str:
    for program in _PROGRAMS:
        with suppress(OSError, TimeoutError):
            process = await asyncio.create_subprocess_exec(
                program, "--version", stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.DEVNULL
            )
            try:
                async with asyncio.timeout(_VERSION_WITHIN_S):
                    said, _ = await process.communicate()
            finally:
                if process.returncode is None:
                    process.kill()
                    await process.wait()
            return said.decode(errors="replace")
    return ""


def _refused(subject: str, exc: BaseException) -> Finding:
    told = link_error(exc, label="The Bluetooth service")
    is_denied = isinstance(exc, PermissionError) or "AccessDenied" in str(exc)
    advice = "sudo usermod -aG bluetooth $USER, and log in again" if is_denied else told.advice
    return Finding(subject=subject, verdict=Verdict.BAD, found=told.problem, advice=advice)


def _switch(verdict: Verdict, found: str, *, advice: str | None = None) -> Finding:
    return Finding(subject="Bluetooth switch", verdict=verdict, found=found, advice=advice)


def _adapter(verdict: Verdict, found: str, *, advice: str | None = None) -> Finding:
    return Finding(subject="Bluetooth adapter", verdict=verdict, found=found, advice=advice)


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8", errors="replace").strip()
    except OSError:
        return ""
