"""The radio's socket: good and bad addresses, agents that come, go and die, an adapter lost and found."""

import asyncio
import socket
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from bleak import BleakClient, BleakScanner
from bleak.exc import BleakBluetoothNotAvailableError, BleakError

from becalm_protocol.errors import ConfigError
from becalm_simulator.air import Air
from becalm_simulator.bleak_backend import open_radio
from becalm_simulator.hci_socket import MAX_ADAPTERS, serve_hci


@pytest.mark.parametrize(
    "spec", ["", "unix", "unix:", "tcp:127.0.0.1", "tcp:0.0.0.0:0", "tcp:192.168.1.5:99", "tcp:127.0.0.1:x", "usb:0"]
)
async def test_an_address_of_another_form_is_refused(spec: str) -> None:
    with pytest.raises(ConfigError, match=r"radio: expected unix:PATH or tcp:127\.0\.0\.1:PORT"):
        async with serve_hci(Air(), spec or "?"):
            pass


async def test_a_taken_port_is_a_clear_sentence() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        spec = f"tcp:127.0.0.1:{taken.getsockname()[1]}"
        with pytest.raises(ConfigError, match=r"cannot listen at .* choose another place"):
            async with serve_hci(Air(), spec):
                pass


async def test_a_port_out_of_range_is_a_clear_sentence() -> None:
    with pytest.raises(ConfigError, match="cannot listen"):
        async with serve_hci(Air(), "tcp:127.0.0.1:99999"):
            pass


async def test_a_socket_left_behind_by_a_killed_simulator_is_replaced(tmp_path: Path) -> None:
    path = tmp_path / "hci"
    with socket.socket(socket.AF_UNIX) as dead:
        dead.bind(str(path))
    async with serve_hci(Air(), f"unix:{path}") as address:
        assert address == f"unix:{path}"
    assert not path.exists()


async def test_a_living_socket_is_not_taken_over(tmp_path: Path) -> None:
    place = f"unix:{tmp_path / 'hci'}"
    async with serve_hci(Air(), place):
        with pytest.raises(ConfigError, match="cannot listen"):
            async with serve_hci(Air(), place):
                pass


async def test_without_a_wish_a_free_private_place_is_taken_and_cleaned_up() -> None:
    async with serve_hci(Air(), None) as first, serve_hci(Air(), None) as second:
        assert first != second
        folder = Path(first.removeprefix("unix:")).parent
        assert folder.stat().st_mode & 0o077 == 0
    assert not folder.exists()


async def test_adapters_vanish_from_the_air_with_their_agents() -> None:
    air = Air()
    async with asyncio.timeout(20.0), serve_hci(air, "tcp:127.0.0.1:0") as address:
        port = int(address.rpartition(":")[2])
        for _ in range(3):
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            writer.write(b"\x01\x03\x0c\x00")  # HCI reset
            assert await reader.readexactly(3) == b"\x04\x0e\x04"  # command complete
            assert len(air.controllers) == 1
            writer.close()
            await writer.wait_closed()
            for _ in range(100):  # the server's end of the socket closes within a few turns of the loop
                await asyncio.sleep(0)
            assert air.controllers == set()


async def test_garbage_and_a_crowd_do_no_harm() -> None:
    air = Air()
    async with asyncio.timeout(20.0), serve_hci(air, "tcp:127.0.0.1:0") as address:
        port = int(address.rpartition(":")[2])
        peers = [await asyncio.open_connection("127.0.0.1", port) for _ in range(MAX_ADAPTERS)]
        for _, writer in peers:
            writer.write(b"\xff\x00garbage")
        reader, late = await asyncio.open_connection("127.0.0.1", port)
        assert await reader.read() == b""
        assert len(air.controllers) == MAX_ADAPTERS
        for writer in (late, *(writer for _, writer in peers)):
            writer.close()


async def test_no_adapter_is_told_as_bleak_tells_it(tmp_path: Path) -> None:
    async with open_radio(f"unix:{tmp_path / 'nothing'}") as radio:
        with pytest.raises(BleakBluetoothNotAvailableError, match="no virtual radio at unix:"):
            await BleakScanner.discover(timeout=0.1, backend=radio.scanner)
        with pytest.raises(BleakBluetoothNotAvailableError):
            await BleakClient("F0:51:4D:00:00:01", backend=radio.client).connect()


async def test_an_adapter_that_was_lost_is_opened_anew(make_world: Any, tmp_path: Path) -> None:
    async with open_radio(f"unix:{tmp_path / 'hci'}") as radio:
        for _ in range(2):
            gone = asyncio.Event()
            async with make_world(speed=1.0):
                device = await BleakScanner.find_device_by_name("SIM-HR 0001", timeout=2.0, backend=radio.scanner)
                assert device is not None
                client = BleakClient(device, partial(_set, gone), backend=radio.client)
                await client.connect()
            async with asyncio.timeout(2.0):
                await gone.wait()
            assert not client.is_connected
            with pytest.raises(BleakError):
                await BleakScanner.discover(timeout=0.1, backend=radio.scanner)


def _set(event: asyncio.Event, _: BleakClient) -> None:
    event.set()


@pytest.mark.parametrize("kind", ["unix", "tcp"])
async def test_adapters_taken_away_come_back_at_the_same_address(kind: str, tmp_path: Path) -> None:
    air = Air()
    place = f"unix:{tmp_path / 'hci'}" if kind == "unix" else "tcp:127.0.0.1:0"
    async with asyncio.timeout(20.0), serve_hci(air, place) as address, open_radio(address) as radio:
        await BleakScanner.discover(timeout=0.05, backend=radio.scanner)
        assert air.adapters is not None
        air.adapters.take_away()
        with pytest.raises(BleakBluetoothNotAvailableError):
            await BleakScanner.discover(timeout=0.05, backend=radio.scanner)
        assert air.controllers == set()
        await air.adapters.bring()
        await BleakScanner.discover(timeout=0.05, backend=radio.scanner)
        assert len(air.controllers) == 1
    assert air.adapters is None
