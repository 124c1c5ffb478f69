from typing import Any

import pytest

from becalm_client.address import http_address, live_address
from becalm_kivy import words
from becalm_kivy.control import RequestRefusedError, start_session, stop_session
from becalm_protocol.errors import ConfigError


async def test_starts_with_only_what_was_wished(desk: Any) -> None:
    assert await start_session(desk.url, baseline_s=30.0) == "5e55"
    assert desk.asked == [("/v1/sessions", {"baseline_s": 30.0})]


async def test_stops_the_session_by_name(desk: Any) -> None:
    await stop_session(desk.url, "a/b")
    assert desk.asked == [("/v1/sessions/a%2Fb/stop", {})]


async def test_a_refusal_is_the_servers_own_sentence(desk: Any) -> None:
    desk.status, desk.answer = 409, b'{"title":"Conflict","detail":"No agent is connected: start becalm agent."}'
    with pytest.raises(RequestRefusedError, match=r"^No agent is connected: start becalm agent\.$"):
        await start_session(desk.url)


@pytest.mark.parametrize("answer", [b"", b"<html>", b"[1]", b'{"detail": 5}', b'{"detail": " "}', b"[" * 60_000])
async def test_a_refusal_without_words_gets_ours(desk: Any, answer: bytes) -> None:
    desk.status, desk.answer = 500, answer
    with pytest.raises(RequestRefusedError, match="status 500"):
        await stop_session(desk.url, "5e55")


async def test_another_kind_of_server_is_recognised(desk: Any) -> None:
    desk.answer = b"hello"
    with pytest.raises(RequestRefusedError) as refused:
        await start_session(desk.url)
    assert str(refused.value) == words.NOT_BECALM


async def test_no_server_at_all(unused_tcp_port: int) -> None:
    with pytest.raises(RequestRefusedError) as refused:
        await start_session(f"http://127.0.0.1:{unused_tcp_port}")
    assert str(refused.value) == words.SERVER_SILENT


@pytest.mark.parametrize(
    ("typed", "live", "http"),
    [
        ("192.168.1.20:8765", "ws://192.168.1.20:8765/v1/live", "http://192.168.1.20:8765"),
        ("http://a.local:8765/", "ws://a.local:8765/v1/live", "http://a.local:8765"),
        ("https://a.local/becalm", "wss://a.local/becalm/v1/live", "https://a.local/becalm"),
        ("ws://[::1]:8765/v1/live", "ws://[::1]:8765/v1/live", "http://[::1]:8765"),
    ],
)
def test_an_address_as_people_type_it(typed: str, live: str, http: str) -> None:
    assert (live_address(typed), http_address(typed)) == (live, http)


@pytest.mark.parametrize("typed", ["", "ftp://a", "http://", "http://a:port", "http://me:secret@a", "http://a:99999"])
def test_what_is_no_address_is_said(typed: str) -> None:
    with pytest.raises(ConfigError, match="server address: expected"):
        live_address(typed)
