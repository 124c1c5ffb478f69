"""Says on the local network that a becalm server is here (multicast DNS, RFC 6762), so that a phone finds it by itself.

Nothing of people or of this machine is told: the instance is called becalm, the host name is random at each start.
"""

import ipaddress
import logging
import secrets
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from becalm_protocol.errors import ConfigError
from becalm_protocol.forms import SERVICE_TYPE, VERSIONS

try:
    import ifaddr
    from zeroconf import NonUniqueNameException
    from zeroconf.asyncio import AsyncServiceInfo, AsyncZeroconf
except ModuleNotFoundError:  # of the extra `discovery`
    AsyncZeroconf = None  # type: ignore[assignment, misc]

log = logging.getLogger(__name__)


def is_to_be_announced(host: str, *, announce: bool | None) -> bool:
    """Tell whether to announce: as asked, or (None) where others can reach us. Raises ConfigError: no library."""
    wanted = not _is_loopback(host) if announce is None else announce
    if wanted and AsyncZeroconf is None:
        if announce:
            raise ConfigError("expected zeroconf; install it with: pip install becalm[discovery]", setting="--announce")
        log.info("this server is not announced on the network: install becalm[discovery] for that")
        return False
    return wanted


@asynccontextmanager
async def announced(host: str, port: int) -> AsyncIterator[None]:
    """Announce a server for as long as the block lasts; trouble with it is logged and harms nothing else."""
    address = None if host in {"0.0.0.0", "::"} else host  # noqa: S104  (asked for, not chosen)
    told = [address] if address else _own_addresses()
    info = AsyncServiceInfo(
        SERVICE_TYPE,
        f"becalm.{SERVICE_TYPE}",
        parsed_addresses=told,
        port=port,
        properties={"version": str(VERSIONS[0]), "path": "/v1/live"},
        server=f"becalm-{secrets.token_hex(4)}.local.",
    )
    network: Any = None
    try:
        network = AsyncZeroconf(interfaces=told)
        await network.zeroconf.async_wait_for_start()
        await (await network.async_register_service(info, allow_name_change=True))
    except (OSError, NonUniqueNameException) as exc:
        log.warning("this server is not announced on the network: %s", exc)
    try:
        yield
    finally:
        if network is not None:
            await network.async_unregister_all_services()
            await network.async_close()


def _own_addresses() -> list[str]:
    """Return this machine's IPv4 addresses on networks with others."""
    addresses = [str(one.ip) for adapter in ifaddr.get_adapters() for one in adapter.ips if one.is_IPv4]
    return [address for address in addresses if not _is_loopback(address)]


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
