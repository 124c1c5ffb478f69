"""What the doctor finds on machines staged as folders and servers, and what it advises."""

import json
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import pytest

from becalm_ingest import doctor, doctor_machine, doctor_server
from becalm_ingest.claim import Claim
from becalm_ingest.doctor import DoctorSettings, Verdict, examine
from becalm_simulator.air import Air
from becalm_simulator.bleak_backend import open_radio
from becalm_simulator.body import Body
from becalm_simulator.body_clock import BodyClock
from becalm_simulator.hci_socket import serve_hci
from becalm_simulator.radio import VirtualDevice
from becalm_simulator.sensors.wardrobe import wear_sensors

linux = pytest.mark.skipif(sys.platform != "linux", reason="BlueZ is Linux")


@contextmanager
def serving(body: bytes, *, ahead_s: float = 0.0, has_date: bool = True) -> Iterator[str]:
    """A server on loopback that answers every question alike, with a clock of its own."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response_only(200)
            if has_date:
                now = datetime.now(UTC) + timedelta(seconds=ahead_s)
                self.send_header("Date", format_datetime(now.replace(microsecond=0), usegmt=True))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            return

    with HTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_address[1]}"
        finally:
            server.shutdown()
            thread.join()


def health(**more: Any) -> bytes:
    return json.dumps({"version": "0.1.0", "trouble": None, **more}).encode()


# -------------------------------------------------------------------------------------------------------------- server
def test_a_server_that_is_well() -> None:
    with serving(health()) as url:
        state, clock = doctor_server.examine(url)
    assert (state.verdict, clock.verdict) == (Verdict.GOOD, Verdict.GOOD)
    assert "0.1.0" in state.found


@pytest.mark.parametrize(("ahead_s", "side"), [(3600.0, "ahead"), (-90.0, "behind")])
def test_a_wrong_clock_is_told_with_its_side(ahead_s: float, side: str) -> None:
    with serving(health(), ahead_s=ahead_s) as url:
        _, clock = doctor_server.examine(url)
    assert clock.verdict is Verdict.NOTE
    assert side in clock.found
    told_s = float(clock.found.split()[3])
    assert abs(told_s - abs(ahead_s)) < 2
    assert "automatic time" in str(clock.advice)


def test_a_server_in_trouble_is_quoted() -> None:
    with serving(health(trouble="the disk is full"), has_date=False) as url:
        state, clock = doctor_server.examine(url)
    assert state.verdict is Verdict.NOTE
    assert "the disk is full" in str(state.advice)
    assert clock.verdict is Verdict.NOTE


@pytest.mark.parametrize("body", [b"<html>", b"[]", b"{}", b"\xff"])
def test_another_server_is_none_of_ours(body: bytes) -> None:
    with serving(body) as url:
        (finding,) = doctor_server.examine(url)
    assert finding.verdict is Verdict.BAD
    assert "becalm serve" in str(finding.advice)


def test_no_server_is_told() -> None:
    (finding,) = doctor_server.examine("http://127.0.0.1:9")
    assert finding.verdict is Verdict.BAD
    assert "refused" in finding.found


# ------------------------------------------------------------------------------------------------------------- machine
def test_this_python_is_good() -> None:
    assert doctor_machine.python().verdict is Verdict.GOOD


def test_a_folder_of_our_own_is_good(tmp_path: Path) -> None:
    folder, disk = doctor_machine.folder(tmp_path / "agent")
    assert folder.verdict is Verdict.GOOD
    assert "GB free" in disk.found
    assert [path.name for path in (tmp_path / "agent").iterdir()] == ["lock"]


def test_a_folder_that_an_agent_holds_is_noted(tmp_path: Path) -> None:
    claim = Claim(tmp_path)
    folder, _ = doctor_machine.folder(tmp_path)
    claim.release()
    assert folder.verdict is Verdict.NOTE
    assert "an agent is using it" in folder.found


def test_a_folder_that_cannot_be_written_is_bad(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    (finding,) = doctor_machine.folder(tmp_path / "file" / "agent")
    assert finding.verdict is Verdict.BAD
    assert "--data-dir" in str(finding.advice)


@pytest.mark.parametrize(
    ("free_bytes", "verdict"), [(10**9, Verdict.GOOD), (10**8, Verdict.NOTE), (10**6, Verdict.BAD)]
)
def test_the_room_on_the_disk_is_judged(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, free_bytes: int, verdict: Verdict
) -> None:
    usage = type("Usage", (), {"free": free_bytes})
    monkeypatch.setattr("shutil.disk_usage", lambda _: usage)
    _, disk = doctor_machine.folder(tmp_path)
    assert disk.verdict is verdict
    assert (disk.advice is None) == (verdict is Verdict.GOOD)


# --------------------------------------------------------------------------------------------------------------- Linux
def stage(root: Path, files: dict[str, str]) -> Path:
    for name, text in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text + "\n")
    return root


def switch(root: Path, *, soft: int, hard: int) -> Path:
    folder = "sys/class/rfkill/rfkill0"
    stage(root, {"sys/class/rfkill/rfkill1/type": "wlan", "sys/class/rfkill/rfkill1/soft": "1"})
    files = {"type": "bluetooth", "name": "hci0", "soft": str(soft), "hard": str(hard)}
    return stage(root, {f"{folder}/{name}": text for name, text in files.items()})


@linux
@pytest.mark.parametrize(
    ("soft", "hard", "verdict", "advice"),
    [
        (0, 0, Verdict.GOOD, None),
        (1, 0, Verdict.BAD, "rfkill unblock bluetooth"),
        (0, 1, Verdict.BAD, "key or slider"),
        (1, 1, Verdict.BAD, "key or slider"),
    ],
)
def test_the_switch_is_read(tmp_path: Path, soft: int, hard: int, verdict: Verdict, advice: str | None) -> None:
    from becalm_ingest import doctor_linux

    (finding,) = doctor_linux.switches(switch(tmp_path, soft=soft, hard=hard))
    assert finding.verdict is verdict
    assert (advice or "None") in str(finding.advice)


@linux
def test_the_kernel_is_asked_for_adapter_and_ciphers(tmp_path: Path) -> None:
    from becalm_ingest import doctor_linux

    (nothing,) = doctor_linux.kernel(tmp_path)
    assert "no Bluetooth in this kernel" in nothing.found
    (tmp_path / "sys/class/bluetooth").mkdir(parents=True)
    (empty,) = doctor_linux.kernel(tmp_path)
    assert empty.found == "no adapter"
    stage(tmp_path, {"sys/class/bluetooth/hci0/x": "", "sys/class/bluetooth/hci0:64/x": ""})
    stage(tmp_path, {"proc/crypto": "name : cmac(aes)"})
    (weak,) = doctor_linux.kernel(tmp_path)
    assert weak.verdict is Verdict.NOTE
    assert weak.found == "hci0; not loaded: ecdh-nist-p256"
    stage(tmp_path, {"proc/crypto": "name : cmac(aes)\nname : ecdh-nist-p256"})
    (good,) = doctor_linux.kernel(tmp_path)
    assert (good.verdict, good.found) == (Verdict.GOOD, "hci0")


@linux
@pytest.mark.parametrize(
    ("text", "verdict"),
    [
        ("bluetoothctl: 5.66", Verdict.GOOD),
        ("5.55", Verdict.GOOD),
        ("bluetoothctl: 5.54", Verdict.BAD),
        ("4.101", Verdict.BAD),
        ("5.64", Verdict.NOTE),
        ("5.87", Verdict.NOTE),
        ("5.100", Verdict.GOOD),
        ("", Verdict.NOTE),
    ],
)
def test_the_version_of_bluez_is_judged(text: str, verdict: Verdict) -> None:
    from becalm_ingest import doctor_linux

    finding = doctor_linux.bluez_version(text)
    assert finding.verdict is verdict
    assert (finding.advice is None) == (verdict is Verdict.GOOD)


# --------------------------------------------------------------------------------------------------------------- whole
def test_the_library_in_use_is_the_one_we_know() -> None:
    assert doctor.bleak().verdict is Verdict.GOOD


async def test_a_virtual_radio_with_sensors_and_without(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(doctor, "_SCAN_WITHIN_S", 0.6)
    air = Air()
    strap = VirtualDevice(wear_sensors(Body.from_seed(3))[0], air, clock=BodyClock())
    async with serve_hci(air, f"unix:{tmp_path / 'hci'}") as address, open_radio(address) as radio:
        settings = DoctorSettings(data_dir=tmp_path / "agent", server_url="http://127.0.0.1:9", backend=radio)  # type: ignore[arg-type]
        *_, alone = await examine(settings)
        assert (alone.subject, alone.verdict) == ("sensors", Verdict.NOTE)
        await strap.power_on()
        *_, found = await examine(settings)
        strap.power_off()
    assert found.verdict is Verdict.GOOD
    assert "SIM-HR 0001 (-" in found.found


async def test_a_virtual_radio_that_is_not_there_is_bad(tmp_path: Path) -> None:
    async with open_radio(f"unix:{tmp_path / 'nobody'}") as radio:
        finding = await doctor.sensors(radio)  # type: ignore[arg-type]
    assert finding.verdict is Verdict.BAD
    assert finding.advice
