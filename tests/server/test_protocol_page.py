"""The clients printed in PROTOCOL.md, run as they stand."""

import asyncio
import os
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

import becalm_protocol

PAGE = Path(becalm_protocol.__file__).with_name("PROTOCOL.md")
CALL = "asyncio.run(main())"


async def test_client_of_the_page_works_as_printed(server: Any, sensors: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BECALM_TOKEN", server.token)
    (code,) = re.findall(r"```python\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)
    assert code.count(CALL) == code.count("ws://127.0.0.1:8765") == 1
    said: asyncio.Queue[str] = asyncio.Queue()
    page: dict[str, Any] = {"print": lambda *words: said.put_nowait(" ".join(map(str, words)))}
    exec(code.replace(CALL, "").replace("ws://127.0.0.1:8765", server.ws_url), page)
    client = asyncio.ensure_future(page["main"]())
    try:
        async with server.agent() as agent, asyncio.timeout(20.0):
            await agent.hello()
            await agent.open(sensors.streams)
            assert await said.get() == "session baseline"
            for n in range(60):  # bounded: ages are said from the first answered ping on
                await agent.send(*sensors.second(n))
                await agent.wait_acks(sensors.last)
                if not said.empty():
                    break
            assert re.fullmatch(r"no_sensor -?\d+ ms old", await said.get())
    finally:
        client.cancel()
        await asyncio.wait([client])


@pytest.fixture
def node() -> list[str]:
    """Node with a WebSocket of its own, or a skip that says why."""
    program = shutil.which("node")
    if program is None:
        pytest.skip("node is not installed")
    asked = ["-e", "process.exit(typeof WebSocket === 'undefined' ? 1 : 0)"]
    for words in ([program], [program, "--experimental-websocket"]):
        if subprocess.run([*words, *asked], capture_output=True, check=False).returncode == 0:
            return words
    pytest.skip("this node has no WebSocket; version 20.10 or newer has")


async def test_javascript_of_the_page_works_as_printed_and_comes_back(
    start_server: Any, sensors: Any, database_url: str, node: list[str], tmp_path: Path
) -> None:
    (code,) = re.findall(r"```javascript\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)
    assert len(code.strip().splitlines()) <= 34
    session_id, port, seconds = "7" * 32, 0, iter(range(100))
    script = tmp_path / "client.js"
    program: asyncio.subprocess.Process | None = None
    try:
        for part in range(2):  # the server is restarted in between: the page must find it again
            async with start_server(database_url, port=port) as server, server.agent() as agent, asyncio.timeout(30.0):
                port = int(server.url.rpartition(":")[2])
                if program is None:
                    script.write_text(code.replace("ws://127.0.0.1:8765", server.ws_url), encoding="utf-8")
                    program = await asyncio.create_subprocess_exec(
                        *node,
                        str(script),
                        stdout=asyncio.subprocess.PIPE,
                        stderr=asyncio.subprocess.PIPE,
                        env={**os.environ, "BECALM_TOKEN": server.token},
                    )
                assert program.stdout is not None
                await agent.hello()
                await agent.open(sensors.streams, session_id=session_id)
                while (await program.stdout.readline()).decode().strip() != "session baseline":
                    pass
                said: list[str] = []
                while len(said) < 4:
                    await agent.send(*sensors.second(next(seconds)))
                    await agent.wait_acks(sensors.last)
                    said.append((await program.stdout.readline()).decode().strip())
                assert any(re.fullmatch(r"beat [\d.]+ ms", line) for line in said), (part, said)
                assert any(re.fullmatch(r"heart rate [\d.]+ \+- 0.5, -?[\d.]+ s old", line) for line in said), said
    finally:
        if program is not None:
            program.kill()
            await program.communicate()
