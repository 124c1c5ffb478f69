"""Who asks nothing does not hold a place for ever; who asks at its leisure within the limit is served."""

import asyncio
import subprocess
import sys
from typing import Any

import pytest

from becalm_server import doorkeeper

HEAD = b"POST /v1/sessions HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\nContent-Length: 90\r\n\r\n"
HEALTH = b"GET /readyz HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n"


async def rest(reader: asyncio.StreamReader) -> bytes:
    """What comes until the server cuts the connection; a reset is a cut as good as any."""
    async with asyncio.timeout(20.0):
        try:
            return await reader.read()
        except ConnectionResetError:
            return b""


@pytest.fixture(autouse=True)
def _soon(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(doorkeeper, "ASK_LIMIT_S", 0.3)
    monkeypatch.setattr(doorkeeper, "LOOK_EVERY_S", 0.05)


@pytest.mark.parametrize("said", [b"", b"G", b"GET /v1/live HTTP/1.1\r\nHost: x", HEAD, HEAD + b'{"baseline_s"'])
async def test_half_a_request_is_not_waited_for(server: Any, said: bytes) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", int(server.url.rpartition(":")[2]))
    writer.write(said)
    assert await rest(reader) == b""
    writer.close()


async def test_half_of_a_second_request_neither(server: Any) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", int(server.url.rpartition(":")[2]))
    writer.write(HEALTH)
    assert (await reader.readline()).startswith(b"HTTP/1.1 200")
    writer.write(HEALTH[:20])
    assert b"HTTP/1.1" not in await rest(reader)
    writer.close()


async def test_clients_and_idle_connections_stay(server: Any) -> None:
    async with server.client() as client, server.http() as http:
        await client.hello()
        assert (await http.get("/v1/health")).status_code == 200
        await asyncio.sleep(1.0)  # three times the limit
        assert (await http.get("/v1/health")).status_code == 200
        assert client.connection.close_code is None


@pytest.mark.skipif(sys.platform == "win32", reason="Windows counts no open files")
def test_a_process_gets_files_for_a_house_full_of_clients() -> None:
    program = (
        "import resource as r; hard = r.getrlimit(r.RLIMIT_NOFILE)[1]; r.setrlimit(r.RLIMIT_NOFILE, (256, hard));"
        "from becalm_server.doorkeeper import N_FILES, raise_file_limit; raise_file_limit();"
        "assert r.getrlimit(r.RLIMIT_NOFILE) == (N_FILES if hard < 0 else min(N_FILES, hard), hard)"
    )
    subprocess.run([sys.executable, "-c", program], check=True)
