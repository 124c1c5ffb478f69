"""The agent's own random identifier, kept beside the spool; it says nothing about the person."""

import re
import secrets
from pathlib import Path

from becalm_protocol.errors import StorageError

_FORM = re.compile(r"[0-9a-f]{32}")


def agent_id(data_dir: Path) -> str:
    """Return the identifier kept in a folder, made at first use. Raises StorageError."""
    path = data_dir / "agent_id"
    try:
        data_dir.mkdir(parents=True, exist_ok=True, mode=0o700)
        kept = path.read_text(encoding="ascii", errors="replace").strip() if path.exists() else ""
        if _FORM.fullmatch(kept):
            return kept
        fresh = secrets.token_hex(16)
        path.write_text(fresh + "\n", encoding="ascii")
    except OSError as exc:
        raise StorageError(
            f"data folder: expected to read and write {path} ({exc.strerror}); choose another data folder"
        ) from exc
    return fresh
