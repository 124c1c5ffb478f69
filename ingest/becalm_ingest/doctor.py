"""Examines the machine an agent is to run on: what is well, what is not, and what to do. Open this file first.

`doctor_machine` looks at Python and the folder, `doctor_server` at the server, `doctor_linux` at BlueZ and its kernel.
"""

import asyncio
import sys
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import TYPE_CHECKING

from becalm_ingest import doctor_machine, doctor_server
from becalm_ingest.doctor_finding import Finding, Verdict
from becalm_protocol.errors import LinkError
from becalm_protocol.events import value
from becalm_protocol.pairing import TokenSource, no_token

if TYPE_CHECKING:
    from becalm_ingest.link import Backend

__all__ = ["DoctorSettings", "Finding", "Verdict", "examine"]

_SCAN_WITHIN_S = 4.0
_BLEAK = "bleak"
_RADIO = {_BLEAK, "Bluetooth switch", "D-Bus", "BlueZ", "BlueZ version", "Bluetooth adapter"}
"""What a scan needs: where one of these is bad, a scan would only say it again."""


@value
class DoctorSettings:
    """What to examine."""

    data_dir: Path
    """The agent's own folder."""
    server_url: str
    """Base address of the server, `http://HOST:PORT`."""
    token: TokenSource = no_token
    """What to show to the server."""
    backend: "Backend | None" = None
    """None: the Bluetooth of this machine."""


async def examine(settings: DoctorSettings) -> tuple[Finding, ...]:
    """Look at everything an agent needs, the radio last; never raises for what it finds."""
    findings = [doctor_machine.python(), *await asyncio.to_thread(doctor_machine.folder, settings.data_dir)]
    findings += await asyncio.to_thread(doctor_server.examine, settings.server_url, token=settings.token())
    findings.append(bleak())
    if settings.backend is None and sys.platform == "linux":
        from becalm_ingest import doctor_linux

        findings += await doctor_linux.examine()
    if not any(one.verdict is Verdict.BAD and one.subject in _RADIO for one in findings):
        findings.append(await sensors(settings.backend))
    return tuple(findings)


def bleak() -> Finding:
    """Examine the Bluetooth library."""
    try:
        found = version("bleak")
    except PackageNotFoundError:
        return Finding(
            subject=_BLEAK, verdict=Verdict.BAD, found="not installed", advice="Install it: pip install 'becalm[agent]'"
        )
    is_known = found.split(".")[:2] == ["3", "1"]
    return Finding(
        subject=_BLEAK,
        verdict=Verdict.GOOD if is_known else Verdict.NOTE,
        found=found,
        advice=None if is_known else "becalm is tested with bleak 3.1: pip install 'bleak>=3.1,<3.2'",
    )


async def sensors(backend: "Backend | None") -> Finding:
    """Scan for sensors: the one proof that everything before them works."""
    from becalm_ingest.link import scan

    try:
        found = await scan(backend=backend, within_s=_SCAN_WITHIN_S)
    except LinkError as exc:
        return Finding(subject="sensors", verdict=Verdict.BAD, found=exc.problem, advice=exc.advice)
    if not found:
        return Finding(
            subject="sensors",
            verdict=Verdict.NOTE,
            found="Bluetooth works, and none is in range",
            advice="Put one on (a dry strap sleeps), bring it near, close other apps; else turn Bluetooth off and on",
        )
    told = ", ".join(f"{sensor.name} ({sensor.rssi_dbm} dBm)" for sensor in found)
    return Finding(subject="sensors", verdict=Verdict.GOOD, found=told)
