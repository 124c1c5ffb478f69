"""The radio's socket: every agent that connects finds a Bluetooth adapter of its own there."""

import asyncio
import errno
import socket
import stat
import tempfile
from collections.abc import AsyncIterator, Callable
from contextlib import ExitStack, asynccontextmanager
from functools import partial
from pathlib import Path
from typing import cast

from bumble.transport.common import StreamPacketSink, StreamPacketSource

from becalm_protocol.errors import ConfigError
from becalm_simulator.air import Air
from becalm_simulator.controller import SimController

# One agent is the rule; a handful leaves room for tests and curious people.
MAX_ADAPTERS = 8
PROBE_TIMEOUT_S = 0.2
_LOOPBACK = ("127.0.0.1", "localhost", "::1")


class _Adapter(StreamPacketSource):
    """One connected agent: its bytes go to a controller of its own on the air."""

    def __init__(self, air: Air, adapters: "set[_Adapter]") -> None:
        super().__init__()
        self._air = air
        self._adapters = adapters
        self._transport: asyncio.Transport | None = None
        self._controller: SimController | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)
        if len(self._adapters) >= MAX_ADAPTERS:
            self._transport.close()
            return
        self._adapters.add(self)
        self._controller = SimController(
            f"adapter-{id(self):x}", host_source=self, host_sink=StreamPacketSink(self._transport), link=self._air
        )

    def connection_lost(self, _exc: Exception | None) -> None:
        self._adapters.discard(self)
        if self._controller:
            self._controller.unplug()
            self._controller = None

    def close(self) -> None:
        if self._transport:
            self._transport.close()


class HciSocket:
    """Where agents find their adapters; it can be taken away from all of them at once, and brought back."""

    def __init__(self, air: Air, spec: str) -> None:
        self._air = air
        self._adapters: set[_Adapter] = set()
        self._server: asyncio.Server | None = None
        self.address = spec
        """What an agent dials."""

    async def bring(self) -> None:
        """Listen at the address. Raises ConfigError when it is not of a known form or is taken."""
        make_adapter = partial(_Adapter, self._air, self._adapters)
        self._server, self.address = await _listen(make_adapter, self.address)

    def take_away(self) -> None:
        """Stop listening, and end every adapter as if it had been pulled out."""
        if self._server is not None:
            self._server.close()
            self._server = None
        for adapter in list(self._adapters):
            adapter.connection_lost(None)
            adapter.close()
        if self.address.startswith("unix:"):
            Path(self.address.removeprefix("unix:")).unlink(missing_ok=True)


@asynccontextmanager
async def serve_hci(air: Air, spec: str | None) -> AsyncIterator[str]:
    """Offer adapters of this air at `unix:PATH` or `tcp:127.0.0.1:PORT` (port 0: a free one; None: any free place).

    Yields the address to dial.

    Raises ConfigError when the spec is not of that form or the address is taken.
    """
    with ExitStack() as stack:
        adapters = HciSocket(air, spec or _free_place(stack))
        await adapters.bring()
        air.adapters = adapters
        try:
            yield adapters.address
        finally:
            air.adapters = None
            adapters.take_away()


async def _listen(make_protocol: Callable[[], _Adapter], spec: str) -> tuple[asyncio.Server, str]:
    loop = asyncio.get_running_loop()
    kind, _, place = spec.partition(":")
    try:
        if kind == "unix" and place and hasattr(socket, "AF_UNIX"):
            _remove_stale_socket(Path(place))
            return await loop.create_unix_server(make_protocol, place), spec
        host, _, port = place.rpartition(":")
        if kind == "tcp" and host in _LOOPBACK and port.isdigit():
            server = await loop.create_server(make_protocol, host, int(port))
            return server, f"tcp:{host}:{server.sockets[0].getsockname()[1]}"
    except (OSError, OverflowError) as exc:
        raise ConfigError(
            f"cannot listen at {spec} ({exc}); choose another place or end the program there", setting="radio"
        ) from exc
    raise ConfigError(f"expected unix:PATH or tcp:127.0.0.1:PORT, got {spec!r:.80}", setting="radio")


def _free_place(stack: ExitStack) -> str:
    """Return a socket in a fresh folder that only this user may enter, or a loopback port where there are none."""
    if not hasattr(socket, "AF_UNIX"):
        return "tcp:127.0.0.1:0"
    folder = stack.enter_context(tempfile.TemporaryDirectory(prefix="becalm-radio-", ignore_cleanup_errors=True))
    return f"unix:{folder}/hci"


def _remove_stale_socket(path: Path) -> None:
    """Remove a socket that a killed simulator left behind. Raises OSError when somebody still answers there."""
    if not path.exists() or not stat.S_ISSOCK(path.stat().st_mode):
        return
    with socket.socket(socket.AF_UNIX) as probe:
        probe.settimeout(PROBE_TIMEOUT_S)
        try:
            probe.connect(str(path))
        except OSError:
            path.unlink(missing_ok=True)
            return
    raise OSError(errno.EADDRINUSE, "another program offers a radio there")
