"""Finds becalm servers that say on the local network that they are there (multicast DNS, RFC 6762 and 6763)."""

import asyncio
from typing import Any

from becalm_protocol.errors import ConfigError
from becalm_protocol.events import value
from becalm_protocol.forms import SERVICE_TYPE, VERSIONS

try:
    from zeroconf.asyncio import AsyncServiceBrowser, AsyncServiceInfo, AsyncZeroconf
except ModuleNotFoundError:  # of the extra `discovery`
    AsyncZeroconf = None  # type: ignore[assignment, misc]

# A server answers within a second; Wi-Fi that saves power takes another two.
LOOK_WITHIN_S = 3.0
_ASK_WITHIN_MS = 2_000


@value
class FoundServer:
    """A server that says it is there. Anybody on the network can say so: show it no token before you know it."""

    url: str
    version: int


async def find_servers(*, within_s: float = LOOK_WITHIN_S, interfaces: Any = None) -> tuple[FoundServer, ...]:
    """Return the servers of a version we speak that answer within a time. Raises ConfigError without the library."""
    if AsyncZeroconf is None:
        raise ConfigError("expected zeroconf; install it with: pip install becalm[discovery]", setting="--server auto")
    names: set[str] = set()
    network = AsyncZeroconf() if interfaces is None else AsyncZeroconf(interfaces=interfaces)
    try:
        await network.zeroconf.async_wait_for_start()
        browser = AsyncServiceBrowser(network.zeroconf, SERVICE_TYPE, handlers=[lambda name, **_: names.add(name)])
        await asyncio.sleep(within_s)
        await browser.async_cancel()
        found = await asyncio.gather(*(_ask(network, name) for name in sorted(names)))
    finally:
        await network.async_close()
    return tuple(server for servers in found for server in servers)


async def _ask(network: Any, name: str) -> tuple[FoundServer, ...]:
    info = AsyncServiceInfo(SERVICE_TYPE, name)
    if not await info.async_request(network.zeroconf, _ASK_WITHIN_MS):
        return ()
    told = (info.properties.get(b"version") or b"").decode("ascii", errors="replace")
    addresses = [f"[{one}]" if ":" in one else one for one in info.parsed_addresses()]
    if not told.isdigit() or int(told) not in VERSIONS or not addresses or not info.port:
        return ()
    return (FoundServer(url=f"http://{addresses[0]}:{info.port}", version=int(told)),)
