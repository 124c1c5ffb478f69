"""One agent to a data folder: two would give their events the same numbers."""

import sys
from pathlib import Path
from typing import IO

from becalm_protocol.errors import ConfigError, StorageError


class Claim:
    """Holds a folder from its making until `release`, or until the process dies."""

    def __init__(self, data_dir: Path) -> None:
        """Raise ConfigError where another process holds the folder, StorageError where it cannot be written."""
        path = data_dir / "lock"
        try:
            data_dir.mkdir(parents=True, exist_ok=True, mode=0o700)
            self._file = path.open("a+b")
        except OSError as exc:
            raise StorageError(
                f"data folder: expected to write {path} ({exc.strerror}); choose another data folder"
            ) from exc
        try:
            _lock(self._file)
        except OSError as exc:
            self._file.close()
            raise ConfigError(
                f"{data_dir} is in use by another becalm agent or replay; stop it, or choose another folder",
                setting="--data-dir",
            ) from exc

    def release(self) -> None:
        """Let others have the folder."""
        self._file.close()


def _lock(file: IO[bytes]) -> None:
    if sys.platform == "win32":
        import msvcrt

        msvcrt.locking(file.fileno(), msvcrt.LK_NBLCK, 1)
    else:
        import fcntl

        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
