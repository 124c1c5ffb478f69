"""The commands and programs of docs/api.md, run as they stand against a server with an agent."""

import asyncio
import contextlib
import json
import os
import re
import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from tests.server.peers import LIMIT_S

from becalm_protocol.handshake import StartSession, StopSession

PAGE = (Path(__file__).parents[2] / "docs" / "api.md").read_text(encoding="utf-8")
N_SECONDS = 5


def blocks(language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", PAGE, re.DOTALL)


@asynccontextmanager
async def obedient_agent(server: Any, sensors: Any) -> AsyncIterator[None]:
    """An agent that opens a session when told to, sends some seconds, and closes it when told to."""

    async def obey(agent: Any) -> None:
        while True:
            started = await agent.wait(StartSession)
            worn = type(sensors)()
            await agent.open(worn.streams, session_id=started.session_id)
            for n in range(N_SECONDS):
                await agent.send(*worn.second(n))
            await agent.wait(StopSession)
            await agent.close_session(started.session_id, worn.last)

    async with server.agent() as agent:
        await agent.hello()
        obeying = asyncio.ensure_future(obey(agent))
        try:
            yield
        finally:
            obeying.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await obeying


async def shell(script: str, *, folder: Path, server: Any) -> str:
    process = await asyncio.create_subprocess_exec(
        "bash", "-euo", "pipefail", "-c", script, cwd=folder,
        env=os.environ | {"B": server.url, "T": server.token, "no_proxy": "*"},
        stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
    )  # fmt: skip
    async with asyncio.timeout(LIMIT_S):
        out, err = await process.communicate()
    assert process.returncode == 0, (out.decode()[-500:], err.decode()[-500:])
    return out.decode()


@pytest.mark.skipif(shutil.which("curl") is None or shutil.which("bash") is None, reason="needs curl and bash")
async def test_the_commands_of_the_page_work(server: Any, sensors: Any, tmp_path: Path) -> None:
    tour, reading = blocks("sh")
    async with obedient_agent(server, sensors):
        session_id = (await shell(f"{tour}\necho; echo $S", folder=tmp_path, server=server)).splitlines()[-1]
        async with server.http() as http:
            async with asyncio.timeout(LIMIT_S):  # the agent closes it when it has sent everything
                while (await http.get(f"/v1/sessions/{session_id}")).json()["phase"] != "ended":
                    pass
        tools = "\n".join(line for line in tour.splitlines() if re.match(r"B=|T=|api\(|pick\(", line))
        out = await shell(f"{tools}\nS={session_id}\n{reading}", folder=tmp_path, server=server)
    assert '"heart_rate_bpm"' in out
    assert '"t_us"' in out
    assert '"runs"' in out
    assert (await asyncio.to_thread((tmp_path / "session.edf").read_bytes))[:8].strip() == b"0"


async def test_the_programs_of_the_page_work(server: Any, sensors: Any, capsys: pytest.CaptureFixture[str]) -> None:
    async with server.agent() as agent:
        await agent.hello()
        opened = await agent.open(sensors.streams)
        for n in range(N_SECONDS):
            await agent.send(*sensors.second(n))
        await agent.close_session(opened.session_id, sensors.last)
        known = {"B": server.url, "T": server.token, "S": opened.session_id, "E": sensors.ecg.stream_id}
        for _ in range(2):  # the second time a session runs already
            for program in blocks("python"):
                await asyncio.to_thread(exec, program, known)
    assert capsys.readouterr().out.splitlines() == [
        line
        for last in ("started", "one runs already")
        for line in ("6 intervals, mean 897 ms", "650 points up to 5.0 s, highest 400 uV", last)
    ]


@pytest.mark.skipif(shutil.which("node") is None, reason="needs node")
async def test_the_program_for_browsers_reads_the_same(server: Any, sensors: Any, tmp_path: Path) -> None:
    async with server.agent() as agent:
        await agent.hello()
        opened = await agent.open(sensors.streams)
        for n in range(N_SECONDS):
            await agent.send(*sensors.second(n))
        await agent.close_session(opened.session_id, sensors.last)
    asked = f'"{opened.session_id}", "{sensors.belt.stream_id}", 10, 0, {N_SECONDS * 1_000_000_000 + 1}, process.env.T'
    (program,) = blocks("js")
    around = "const ours = fetch; globalThis.fetch = (path, more) => ours(process.env.B + path, more);\n"
    shown = "console.log(JSON.stringify({ ...found, values: [...found.values] }))"
    told = f"\noverview({asked}).then((found) => {shown});"
    (tmp_path / "page.js").write_text(around + program + told)
    found = json.loads(await shell("node page.js", folder=tmp_path, server=server))
    assert (found["unit"], found["placed"], len(found["seconds"])) == ("N", False, len(found["values"]))
    assert (min(found["values"]), max(found["values"])) == pytest.approx((7.0, 7.39))
    assert (found["seconds"][0], found["seconds"][-1]) == pytest.approx((0.1, 5.0), abs=1e-3)


async def test_the_page_names_every_route(server: Any) -> None:
    async with server.http() as http:
        document = (await http.get("/openapi.json")).json()
    table = PAGE.partition("## The routes")[2]
    missing = set()
    for path in document["paths"]:
        words = [word for word in path.split("/") if word and "{" not in word and word != "v1"]
        # Of sessions every route is named, of the others the place where they are.
        missing |= (
            {path} if not all(word in table for word in (words if words[0] == "sessions" else words[:1])) else set()
        )
    assert missing == set()
