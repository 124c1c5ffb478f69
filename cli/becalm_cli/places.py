"""Where becalm keeps its data on this machine, and the addresses it uses unless told otherwise."""

import os
import sys
from pathlib import Path
from urllib.parse import urlsplit

from becalm_protocol.errors import ConfigError

DEFAULT_PORT = 8765
DEFAULT_SERVER = f"http://127.0.0.1:{DEFAULT_PORT}"


def default_data_dir() -> Path:
    """Return the folder for this user's data; BECALM_DATA_DIR overrides it."""
    if chosen := os.environ.get("BECALM_DATA_DIR"):
        return Path(chosen)
    if sys.platform == "win32":
        return Path(os.environ.get("LOCALAPPDATA", Path.home())) / "becalm"
    if sys.platform == "darwin":
        return Path.home() / "Library" / "Application Support" / "becalm"
    if os.geteuid() == 0:  # PostgreSQL drops root's privileges and could not reach into root's home
        return Path("/var/lib/becalm")
    return Path(os.environ.get("XDG_DATA_HOME") or Path.home() / ".local" / "share") / "becalm"


def usable_data_dir(path: Path) -> Path:
    """Make `path` if needed and return it. Raises ConfigError when it cannot be written."""
    probe = path / f".write-test-{os.getpid()}"
    try:
        path.mkdir(parents=True, exist_ok=True)
        probe.write_bytes(b"")
        probe.unlink()
    except OSError as exc:
        raise ConfigError(
            f"expected a folder we can write to, got {path} ({exc.strerror}); choose another with --data-dir",
            setting="data folder",
        ) from exc
    return path


def ws_url(server: str) -> str:
    """Return the WebSocket address of a server given as http(s)://, ws(s):// or host:port. Raises ConfigError."""
    text = server if "://" in server else f"http://{server}"
    scheme, _, rest = text.partition("://")
    schemes = {"http": "ws", "https": "wss", "ws": "ws", "wss": "wss"}
    if scheme not in schemes or not _names_host(text):
        raise ConfigError(f"expected an address like {DEFAULT_SERVER}, got {server}", setting="--server")
    return f"{schemes[scheme]}://{rest.rstrip('/')}"


def _names_host(url: str) -> bool:
    try:
        parts = urlsplit(url)
        host = (parts.hostname or "").encode("idna")  # as it is looked up
        return bool(host) and parts.port != 0 and url.isprintable() and " " not in url
    except ValueError:  # a port, an IPv6 address or a name that is none
        return False


def http_url(server: str) -> str:
    """Return the HTTP address of a server. Raises ConfigError."""
    return "http" + ws_url(server).removeprefix("ws")
