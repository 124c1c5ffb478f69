"""A server that says it is there is found, and says nothing of people or machine."""

import socket
from collections.abc import Iterator
from typing import Any

import pytest

from becalm_client import discovery
from becalm_client.discovery import find_servers
from becalm_protocol.errors import ConfigError
from becalm_protocol.forms import SERVICE_TYPE, VERSIONS
from becalm_server import announcement
from becalm_server.announcement import announced, is_to_be_announced

pytest.importorskip("zeroconf", reason="zeroconf, of the extra `discovery`, is not installed")
LOOPBACK = ["127.0.0.1"]


@pytest.fixture
def port() -> Iterator[int]:
    """A port that is ours for now, so that a server of another run is told apart."""
    with socket.socket() as plug:
        plug.bind(("127.0.0.1", 0))
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
            group = socket.inet_aton("224.0.0.251") + socket.inet_aton("127.0.0.1")
            try:
                probe.setsockopt(socket.IPPROTO_IP, socket.IP_ADD_MEMBERSHIP, group)
            except OSError as exc:
                pytest.skip(f"this machine has no multicast on loopback ({exc})")
        yield plug.getsockname()[1]


async def found_in_time(url: str) -> list[tuple[str, int]]:
    """Look until a server is there; it first asks for a second and a half whether its name is taken."""
    found: list[tuple[str, int]] = []
    for _ in range(5):
        found = [(one.url, one.version) for one in await find_servers(within_s=1.8, interfaces=LOOPBACK)]
        if url in dict(found):
            break
    return found


async def test_an_announced_server_is_found_and_gone_when_it_is_gone(port: int) -> None:
    async with announced("127.0.0.1", port):
        assert (f"http://127.0.0.1:{port}", VERSIONS[0]) in await found_in_time(f"http://127.0.0.1:{port}")
    after = await find_servers(within_s=1.8, interfaces=LOOPBACK)
    assert f"http://127.0.0.1:{port}" not in [one.url for one in after]


async def test_nothing_is_told_but_version_and_path(port: int, monkeypatch: pytest.MonkeyPatch) -> None:
    told: list[Any] = []
    made = vars(announcement)["AsyncServiceInfo"]

    def make(*words: Any, **more: Any) -> Any:
        told.append(made(*words, **more))
        return told[-1]

    monkeypatch.setattr(announcement, "AsyncServiceInfo", make)
    async with announced("127.0.0.1", port):
        (info,) = told
        assert info.properties == {b"version": b"2", b"path": b"/v1/live"}
        assert socket.gethostname() not in info.server
        assert info.name.endswith(SERVICE_TYPE)


@pytest.mark.parametrize(
    ("host", "announce", "wanted"),
    [
        ("127.0.0.1", None, False), ("localhost", None, False), ("::1", None, False), ("0.0.0.0", None, True),
        ("192.168.1.20", None, True), ("127.0.0.1", True, True), ("0.0.0.0", False, False),
    ],
)  # fmt: skip
def test_only_who_can_be_reached_announces_itself(host: str, announce: bool | None, wanted: bool) -> None:
    assert is_to_be_announced(host, announce=announce) is wanted


async def test_a_missing_library_is_named_where_it_was_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(announcement, "AsyncZeroconf", None)
    monkeypatch.setattr(discovery, "AsyncZeroconf", None)
    assert is_to_be_announced("0.0.0.0", announce=None) is False
    with pytest.raises(ConfigError, match=r"becalm\[discovery\]"):
        is_to_be_announced("0.0.0.0", announce=True)
    with pytest.raises(ConfigError, match=r"becalm\[discovery\]"):
        await find_servers()


async def test_a_server_announces_itself_and_stops(start_server: Any, database_url: str, port: int) -> None:
    async with start_server(database_url, announce=True) as server:
        assert (server.url, VERSIONS[0]) in await found_in_time(server.url)
