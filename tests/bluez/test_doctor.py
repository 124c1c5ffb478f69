"""The doctor asks BlueZ over a real bus."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from becalm_ingest import doctor, doctor_linux
from becalm_ingest.doctor import DoctorSettings, Verdict, examine


async def findings(root: Path) -> dict[str, tuple[Verdict, str]]:
    found = await doctor_linux.examine(root=root)
    return {one.subject: (one.verdict, f"{one.found}. {one.advice}") for one in found}


async def test_a_machine_that_is_well_finds_its_sensor(
    bluez: Any, make_strap: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(doctor, "_SCAN_WITHIN_S", 0.3)
    bluez.put_on(make_strap())
    settings = DoctorSettings(data_dir=tmp_path / "agent", server_url="http://127.0.0.1:9")
    found = {one.subject: one for one in await examine(settings)}
    assert found["D-Bus"].verdict is found["Bluetooth adapter"].verdict is Verdict.GOOD
    assert found["sensors"].found.startswith("SIM-HR 0001 (-5")


@pytest.mark.parametrize(
    ("stage", "words"),
    [
        (lambda fake: fake.add_adapter(powered=False), "hci0 is off. Switch it on"),
        (lambda fake: fake.remove_adapter(), "BlueZ has none. Plug in"),
        (lambda fake: fake.add_adapter(roles=("peripheral",)), "hci0 is too old for sensors. Plug in"),
    ],
)
async def test_an_adapter_of_no_use_is_told_and_no_scan_is_tried(
    bus: Any, make_bluez: Any, tmp_path: Path, stage: Callable[[Any], None], words: str
) -> None:
    await bus.start()
    fake = make_bluez()
    stage(fake)
    await fake.start()
    verdict, said = (await findings(tmp_path))["Bluetooth adapter"]
    assert verdict is Verdict.BAD
    assert words in said
    settings = DoctorSettings(data_dir=tmp_path / "agent", server_url="http://127.0.0.1:9")
    assert "sensors" not in {one.subject for one in await examine(settings)}
    assert fake.asked("StartDiscovery") == 0
    await fake.stop()


async def test_a_user_without_the_right_is_told_which_group(bus: Any, make_bluez: Any, tmp_path: Path) -> None:
    await bus.start(rules='<deny send_destination="org.bluez"/>')
    fake = make_bluez()
    await fake.start()
    verdict, said = (await findings(tmp_path))["BlueZ"]
    assert verdict is Verdict.BAD
    assert "usermod -aG bluetooth" in said
    await fake.stop()


async def test_a_service_that_does_not_run_is_told(bus: Any, tmp_path: Path) -> None:
    await bus.start()
    found = await findings(tmp_path)
    assert found["D-Bus"][0] is Verdict.GOOD
    assert "systemctl start bluetooth" in found["BlueZ"][1]


async def test_no_bus_at_all_is_told(bus: Any, tmp_path: Path) -> None:
    verdict, said = (await findings(tmp_path))["D-Bus"]
    assert verdict is Verdict.BAD
    assert "there is no system bus" in said


@pytest.mark.parametrize("address", ["nonsense", "unix:path"])
async def test_a_bus_address_that_is_none_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, address: str
) -> None:
    monkeypatch.setenv("DBUS_SYSTEM_BUS_ADDRESS", address)
    verdict, said = (await findings(tmp_path))["D-Bus"]
    assert verdict is Verdict.BAD
    assert said
