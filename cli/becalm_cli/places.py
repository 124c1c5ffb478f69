"""Where becalm keeps its data on this machine, and the addresses it uses unless told otherwise."""

import os
import sys
from pathlib import Path

from becalm_protocol.address import http_address
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


def http_url(server: str) -> str:
    """Return the HTTP address of a server, as a person types it. Raises ConfigError."""
    try:
        return http_address(server)
    except ConfigError as exc:
        raise ConfigError(f"expected an address like {DEFAULT_SERVER}, got {server:.80}", setting="--server") from exc
