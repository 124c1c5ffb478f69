"""The server's address as a person types it, turned into the addresses that programs need."""

from urllib.parse import urlsplit

from becalm_protocol.errors import ConfigError

_SECURE = {"http": False, "ws": False, "https": True, "wss": True}


def live_address(url: str) -> str:
    """Return the WebSocket address of the live feed. Raises ConfigError."""
    secure, place = _split(url)
    return f"{'wss' if secure else 'ws'}://{place}/v1/live"


def ingest_address(url: str) -> str:
    """Return the WebSocket address of the agents. Raises ConfigError."""
    secure, place = _split(url)
    return f"{'wss' if secure else 'ws'}://{place}/v1/ingest"


def http_address(url: str) -> str:
    """Return the HTTP address of the server, without a slash at its end. Raises ConfigError."""
    secure, place = _split(url)
    return f"{'https' if secure else 'http'}://{place}"


def _split(url: str) -> tuple[bool, str]:
    text = url if "://" in url else f"http://{url}"
    try:
        parts = urlsplit(text)
        host = (parts.hostname or "").encode("idna")  # as it is looked up
        is_place = bool(host) and parts.port != 0 and text.isprintable() and " " not in text
    except ValueError:  # a port, an IPv6 address or a name that is none
        is_place = False
    if not is_place or parts.scheme not in _SECURE or parts.username is not None:
        raise ConfigError(
            f"expected an address such as http://192.168.1.20:8765, got {url!r:.80}; write it as the server printed it",
            setting="server address",
        )
    path = parts.path.rstrip("/").removesuffix("/v1/live").removesuffix("/v1/ingest")
    return _SECURE[parts.scheme], parts.netloc + path
