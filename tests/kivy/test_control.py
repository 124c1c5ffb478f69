from typing import Any

import pytest

from becalm_kivy import words
from becalm_kivy.control import RequestRefusedError, start_session, stop_session


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
