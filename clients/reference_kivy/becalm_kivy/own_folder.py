"""The folder where the client keeps its few settings: one place on each system."""

import os
import sys
import tempfile
from pathlib import Path


def own_folder() -> Path:
    """Return the client's folder, made if need be; a temporary one where the system allows none."""
    for place in (_wanted(), Path(tempfile.gettempdir()) / f"becalm-client-{_user()}"):
        try:
            place.mkdir(parents=True, exist_ok=True, mode=0o700)
        except OSError:
            continue
        if os.access(place, os.W_OK):
            return place
    return Path(tempfile.mkdtemp(prefix="becalm-client-"))


def _wanted() -> Path:
    if chosen := os.environ.get("BECALM_CLIENT_DIR"):
        return Path(chosen)
    if private := os.environ.get("ANDROID_PRIVATE"):
        return Path(private) / "becalm"
    home = Path(os.path.expanduser("~"))
    if sys.platform == "darwin":
        return home / "Library" / "Application Support" / "becalm"
    if sys.platform == "win32":
        return Path(os.environ.get("APPDATA", home)) / "becalm"
    return Path(os.environ.get("XDG_CONFIG_HOME") or home / ".config") / "becalm"


def _user() -> str:
    return str(os.getuid()) if hasattr(os, "getuid") else os.environ.get("USERNAME", "user")
