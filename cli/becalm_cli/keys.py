"""The token for a server: named by BECALM_TOKEN, kept from a pairing, or of a server that this account runs itself."""

import os
import socket
from contextlib import suppress
from functools import partial
from pathlib import Path

from becalm_cli.places import default_data_dir
from becalm_protocol.errors import ConfigError
from becalm_protocol.pairing import KeyRing, TokenSource

TOKEN_VARIABLE = "BECALM_TOKEN"  # noqa: S105  (a name)
# A port of this machine answers or refuses in microseconds.
LISTENING_LIMIT_S = 0.5


def key_ring() -> KeyRing:
    """Return where this account keeps the tokens it was given."""
    return KeyRing(default_data_dir() / "keys")


def token_for(server_url: str) -> str | None:
    """Return the token to show to a server; None where this account has none."""
    if named := os.environ.get(TOKEN_VARIABLE):
        return named
    return key_ring().token(server_url) or _own_servers().token(server_url)


def token_source(server_url: str) -> TokenSource:
    """Return what looks the token up at every connection."""
    return partial(token_for, server_url)


def announce_own_server(server_url: str, *, token_file: Path) -> None:
    """Let this account's other programs find the key of a server that runs now; where they cannot, they are paired."""
    for place in _own_servers().places():
        if _is_deserted(place):  # that server was killed: whoever listens there next is not to be shown its key
            withdraw_own_server(place)
    with suppress(ConfigError, OSError):
        _own_servers().keep(server_url, token_file.read_text(encoding="ascii"))


def withdraw_own_server(server_url: str) -> None:
    """Forget a server that stopped."""
    _own_servers().forget(server_url)


def _is_deserted(place: str) -> bool:
    host, _, port = place.rpartition(":")
    try:
        socket.create_connection((host, int(port)), timeout=LISTENING_LIMIT_S).close()
    except ConnectionRefusedError:
        return True
    except (OSError, ValueError, OverflowError):  # nobody can tell
        return False
    return False


def _own_servers() -> KeyRing:
    return KeyRing(default_data_dir() / "own_servers")
