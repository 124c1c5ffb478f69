"""Settings of one server process, made in its main and passed down."""

import ipaddress
import os
from collections.abc import Mapping, Sequence
from enum import StrEnum
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from becalm_protocol.address import http_address
from becalm_protocol.errors import ConfigError
from becalm_protocol.events import value

DATABASE_URL_VARIABLE = "BECALM_DATABASE_URL"
PIPELINE_WORKERS_VARIABLE = "BECALM_PIPELINE_WORKERS"
ALLOWED_HOSTS_VARIABLE = "BECALM_ALLOWED_HOSTS"
METRICS_DAYS_VARIABLE = "BECALM_METRICS_DAYS"
PUBLIC_URL_VARIABLE = "BECALM_PUBLIC_URL"
TRUST_PROXY_VARIABLE = "BECALM_TRUST_PROXY"
# A phone on the same network needs one retransmission of room beside the slowest sensor's own batching: a chest strap
# sends 73 ECG samples at 130 Hz at once, 561 ms; 900 ms leaves 339 ms for radio, server and Wi-Fi.
PLAYOUT_DELAY_MS = 900.0


class Profile(StrEnum):
    """How strict the server is."""

    WELLNESS = "wellness"
    """A household: whoever may read the operator's files on this machine is the operator."""
    CLINIC = "clinic"
    """Passwords for those who see others, named hosts only, nothing is answered before its audit entry is kept."""


@value
class ServerSettings:
    """What an operator can choose; every default suits one person on one machine."""

    host: str = "127.0.0.1"
    port: int = 8765
    """0 takes any free port."""
    data_dir: Path
    """Where the embedded database lives; unused with `database_url`."""
    database_url: str | None = None
    """A PostgreSQL to use in place of the embedded one."""
    profile: Profile = Profile.WELLNESS
    """How strict: a household, or a clinic."""
    allowed_hosts: tuple[str, ...] = ()
    """Names, beside addresses and this machine's own, under which browsers may reach the server."""
    public_url: str | None = None
    """Where phones and agents reach the server, if not at the address it listens on: a proxy, a container."""
    trust_proxy: str | None = None
    """Address or network of a proxy whose X-Forwarded-For and -Proto are believed; None: nobody's are."""
    announce: bool | None = None
    """Whether to say on the local network that a server is here; None: where others can reach it."""
    heartbeat_s: float = 2.0
    baseline_s: float = 60.0
    inhale_s: float = 4.0
    exhale_s: float = 6.0
    playout_delay_ms: float = PLAYOUT_DELAY_MS
    pipeline_workers: int = max(1, (os.cpu_count() or 1) - 1)
    """Processes that carry live pipelines; the server itself and the database take the remaining core."""
    metrics_days: int | None = None
    """Indices of each second are deleted so many days after their session; raw events, beats and trends stay."""
    durable: bool = True
    """False skips fsync in the embedded database: for tests only, a power cut then loses data."""

    def __post_init__(self) -> None:
        if not 0 <= self.port <= 65_535:
            raise ConfigError(f"expected 0 to 65535, got {self.port}", setting="port")
        if not 1 <= self.pipeline_workers <= 64:
            raise ConfigError(f"expected 1 to 64, got {self.pipeline_workers}", setting="pipeline_workers")
        if self.metrics_days is not None and self.metrics_days < 1:
            raise ConfigError(f"expected 1 or more, got {self.metrics_days}", setting="metrics_days")
        if self.public_url is not None and urlsplit(http_address(self.public_url)).path:
            raise ConfigError(f"expected https://HOST:PORT alone, got {self.public_url!r:.80}", setting="public_url")
        if self.trust_proxy is not None and not _is_few_addresses(self.trust_proxy):
            raise ConfigError(
                f"expected an address such as 10.0.0.5 or a network as 172.18.0.0/16, got {self.trust_proxy!r:.60}",
                setting="trust_proxy",
            )
        if not 0.1 <= self.heartbeat_s <= 60:
            raise ConfigError(f"expected 0.1 to 60 s, got {self.heartbeat_s}", setting="heartbeat_s")

    @property
    def trusted_proxies(self) -> list[str]:
        """Whose X-Forwarded-For counts; a listener on `::` sees who comes by IPv4 as ::ffff:10.0.0.5."""
        if self.trust_proxy is None:
            return []
        named = ipaddress.ip_network(self.trust_proxy)
        mapped = [f"::ffff:{named.network_address}/{96 + named.prefixlen}"] if named.version == 4 else []
        return [str(named), *mapped]

    @classmethod
    def from_environment(
        cls,
        *,
        data_dir: Path,
        host: str = "127.0.0.1",
        port: int = 8765,
        announce: bool | None = None,
        profile: str = Profile.WELLNESS,
        allowed_hosts: Sequence[str] = (),
        trust_proxy: str | None = None,
        environment: Mapping[str, str] | None = None,
    ) -> "ServerSettings":
        """Return the defaults with these choices and what the environment says."""
        variables = os.environ if environment is None else environment
        database_url = variables.get(DATABASE_URL_VARIABLE) or None
        hosts = variables.get(ALLOWED_HOSTS_VARIABLE, "").split(",")
        chosen: dict[str, Any] = {"allowed_hosts": tuple(host.strip() for host in hosts if host.strip())}
        if told := variables.get(PUBLIC_URL_VARIABLE):
            chosen["public_url"] = http_address(told)
        for setting, variable in (
            ("pipeline_workers", PIPELINE_WORKERS_VARIABLE),
            ("metrics_days", METRICS_DAYS_VARIABLE),
        ):
            if told := variables.get(variable):
                if not (told.isascii() and told.isdigit()):
                    raise ConfigError(f"expected a whole number, got {told!r:.20}", setting=setting)
                chosen[setting] = int(told)
        if profile not in list(Profile):
            raise ConfigError(f"expected {' or '.join(Profile)}, got {profile!r:.40}", setting="profile")
        chosen |= {"announce": announce, "profile": Profile(profile)}
        chosen["trust_proxy"] = trust_proxy or variables.get(TRUST_PROXY_VARIABLE) or None
        chosen["allowed_hosts"] += tuple(allowed_hosts)
        return cls(host=host, port=port, data_dir=data_dir, database_url=database_url, **chosen)


def _is_few_addresses(told: str) -> bool:
    try:
        return ipaddress.ip_network(told).prefixlen > 0
    except ValueError:
        return False
