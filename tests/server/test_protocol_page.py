"""The client printed in PROTOCOL.md, run as it stands."""

import asyncio
import re
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
