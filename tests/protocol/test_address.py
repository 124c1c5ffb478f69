"""A server's address as people type it."""

import pytest

from becalm_protocol.address import http_address, ingest_address, live_address
from becalm_protocol.errors import ConfigError


@pytest.mark.parametrize(
    ("typed", "socket", "http"),
    [
        ("192.168.1.20:8765", "ws://192.168.1.20:8765", "http://192.168.1.20:8765"),
        ("http://a.local:8765/", "ws://a.local:8765", "http://a.local:8765"),
        ("https://a.local/becalm", "wss://a.local/becalm", "https://a.local/becalm"),
        ("ws://[::1]:8765/v1/live", "ws://[::1]:8765", "http://[::1]:8765"),
        ("ws://127.0.0.1:8765/v1/ingest", "ws://127.0.0.1:8765", "http://127.0.0.1:8765"),
    ],
)
def test_an_address_as_people_type_it(typed: str, socket: str, http: str) -> None:
    assert live_address(typed) == f"{socket}/v1/live"
    assert ingest_address(typed) == f"{socket}/v1/ingest"
    assert http_address(typed) == http


@pytest.mark.parametrize(
    "typed",
    [
        "",
        "ftp://a",
        "http://",
        "http://a:port",
        "http://me:secret@a",
        "http://a:99999",
        "http://a:0",
        "a b",
        "a\x07",
        "[::1",
        "x" * 70,
    ],
)
def test_what_is_no_address_is_said(typed: str) -> None:
    for address in (live_address, ingest_address, http_address):
        with pytest.raises(ConfigError, match="server address: expected"):
            address(typed)
