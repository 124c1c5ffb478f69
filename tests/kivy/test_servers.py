"""A pairing link opens the server it names, and is remembered by the client alone."""

import json
from pathlib import Path
from typing import Any

import pytest

from becalm_kivy.servers import Keys, Servers
from becalm_protocol.errors import ConfigError


async def test_a_link_opens_another_server_and_its_key_is_kept(desk: Any, tmp_path: Path) -> None:
    servers = Servers("http://127.0.0.1:1", Keys.of_this_client(tmp_path))
    assert servers.token() is None
    desk.answer = json.dumps({"token": "opens-it"}).encode()
    await servers.pair(f"{desk.url}/pair#ABCD")
    assert (servers.url, servers.token()) == (desk.url, "opens-it")
    assert desk.asked == [("/v1/access/pair", {"code": "ABCD", "label": "becalm window"})]
    again = Servers(desk.url, Keys.of_this_client(tmp_path))
    assert again.token() == "opens-it"


async def test_a_link_that_is_refused_changes_nothing(desk: Any, tmp_path: Path) -> None:
    servers = Servers("http://127.0.0.1:1", Keys.of_this_client(tmp_path))
    desk.status, desk.answer = 401, b'{"detail": "this link was used before"}'
    with pytest.raises(ConfigError, match="this link was used before"):
        await servers.pair(f"{desk.url}/pair#ABCD")
    with pytest.raises(ConfigError, match="copy it whole"):
        await servers.pair("ABCD")
    assert (servers.url, servers.token()) == ("http://127.0.0.1:1", None)
