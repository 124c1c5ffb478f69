"""The parts under attack: `becalm serve` with its embedded PostgreSQL, an agent, and the bad network between them."""

import asyncio
import json
import os
import signal
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from chaos_proxy import Proxy

READY_WITHIN_S = 60.0
AGENT = Path(__file__).with_name("chaos_agent.py")
CLOCK = Path(__file__).with_name("chaos_clock.py")


@dataclass(kw_only=True)
class Stage:
    """One run: what is up, and what was done to it."""

    folder: Path
    recording: Path
    seconds: float
    proxy: Proxy
    agent_words: tuple[str, ...] = ()
    server_jumps_s: tuple[str, ...] = ()
    """How far the server's wall clock is off, one after the other."""
    began_s: float = field(default_factory=time.monotonic)
    n_agent_kills: int = 0
    n_server_kills: int = 0
    notes: dict[str, Any] = field(default_factory=dict)
    """Figures that a fault measured."""
    server: asyncio.subprocess.Process | None = None
    agent: asyncio.subprocess.Process | None = None
    port: int = 0

    @property
    def live_url(self) -> str:
        """Where clients connect, past the proxy."""
        return f"ws://127.0.0.1:{self.port}/v1/live"

    async def start_server(self) -> None:
        """Start the server, on the port it had before."""
        words = ("serve", "--port", str(self.port), "--data-dir", str(self.folder / "server"), "--supervised")
        program = (str(CLOCK), *self.server_jumps_s, "--") if self.server_jumps_s else ("-m", "becalm_cli")
        self.server = await asyncio.create_subprocess_exec(
            sys.executable, *program, *words,
            stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE, stderr=sys.stderr,
        )  # fmt: skip
        assert self.server.stdout is not None
        async with asyncio.timeout(READY_WITHIN_S):
            line = await self.server.stdout.readline()
        if not line:
            raise SystemExit("the server ended before it was ready")
        # Of our own agents and clients, who come through proxies whose addresses no key ring knows.
        os.environ["BECALM_TOKEN"] = (self.folder / "server" / "server" / "operator_token").read_text(encoding="ascii")
        self.port = self.proxy.target_port = int(json.loads(line)["ready"].rpartition(":")[2])

    async def start_agent(self) -> None:
        """Start the agent behind the proxy; its first samples are spooled when this returns."""
        words = (f"ws://127.0.0.1:{self.proxy.port}", self.folder / "agent", self.recording, self.seconds)
        self.agent = await asyncio.create_subprocess_exec(
            sys.executable, str(AGENT), *map(str, words), *self.agent_words,
            stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE, stderr=sys.stderr, limit=2**20,
        )  # fmt: skip
        assert self.agent.stdout is not None
        async with asyncio.timeout(READY_WITHIN_S):
            await self.agent.stdout.readline()

    async def kill_server(self) -> None:
        """Kill -9, database and all, and start it again."""
        assert self.server is not None
        self.n_server_kills += 1
        self.server.kill()
        await self.server.wait()
        await self.start_server()

    async def kill_agent(self) -> None:
        """Kill -9, and start it again."""
        assert self.agent is not None
        if time.monotonic() - self.began_s > self.seconds:
            return  # its session may be over: started again it would begin another
        self.n_agent_kills += 1
        self.agent.kill()
        await self.agent.wait()
        await self.start_agent()

    async def finish(self, *, within_s: float) -> dict[str, Any]:
        """Wait until the agent has stored everything, and return its last words."""
        assert self.agent is not None
        assert self.agent.stdout is not None
        async with asyncio.timeout(within_s):
            output = await self.agent.stdout.read()
            await self.agent.wait()
        report: dict[str, Any] = json.loads(output or b"{}")
        return report

    async def stop_server(self) -> float:
        """Ask the server to stop; return how long it took."""
        assert self.server is not None
        began_s = time.monotonic()
        if self.server.returncode is None:
            self.server.send_signal(signal.SIGTERM)
            await self.server.wait()
        return time.monotonic() - began_s

    async def clear(self) -> None:
        """Leave no process behind."""
        for process in (self.agent, self.server):
            if process is not None and process.returncode is None:
                process.kill()
                await process.wait()


def rss_mb(pid: int) -> float:
    """Return the memory a process holds now."""
    lines = Path(f"/proc/{pid}/status").read_text(encoding="ascii").splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmRSS")) / 1024
