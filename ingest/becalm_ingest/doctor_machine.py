"""Python, and the folder where what the server has not acknowledged is kept."""

import os
import platform
import shutil
import sys
from pathlib import Path

from becalm_ingest.claim import Claim
from becalm_ingest.doctor_finding import Finding, Verdict
from becalm_ingest.spool import DEFAULT_QUOTA_BYTES
from becalm_protocol.errors import ConfigError, StorageError

_OLDEST, _NEWEST = (3, 11), (3, 13)
# Four sensors with an ECG spool about 20 MB an hour: below this a day without the server is not covered.
_LITTLE_BYTES = DEFAULT_QUOTA_BYTES
_NEXT_TO_NOTHING_BYTES = 50_000_000


def python() -> Finding:
    """Examine the interpreter."""
    is_known = _OLDEST <= sys.version_info[:2] <= _NEWEST
    return Finding(
        subject="Python",
        verdict=Verdict.GOOD if is_known else Verdict.BAD,
        found=f"{platform.python_version()} on {platform.system()} {platform.release()}",
        advice=None if is_known else "Use Python 3.11 to 3.13",
    )


def folder(data_dir: Path) -> tuple[Finding, ...]:
    """Examine the agent's folder: may it be written, is it free, is there room?"""
    probe = data_dir / f".write-test-{os.getpid()}"
    try:
        data_dir.mkdir(parents=True, exist_ok=True, mode=0o700)
        probe.write_bytes(b"")
        probe.unlink()
        free_bytes = shutil.disk_usage(data_dir).free
    except OSError as exc:
        found = f"{data_dir} cannot be written ({exc.strerror})"
        return (_folder(Verdict.BAD, found, advice="Choose another with --data-dir, or change its owner"),)
    return _claimed(data_dir), _room(free_bytes)


def _claimed(data_dir: Path) -> Finding:
    try:
        Claim(data_dir).release()
    except ConfigError:
        return _folder(Verdict.NOTE, f"{data_dir}, an agent is using it", advice="That agent holds the sensors too")
    except StorageError as exc:
        return _folder(Verdict.BAD, str(exc), advice="Choose another with --data-dir")
    return _folder(Verdict.GOOD, str(data_dir))


def _room(free_bytes: int) -> Finding:
    found = f"{free_bytes / 1e9:.1f} GB free"
    if free_bytes >= _LITTLE_BYTES:
        return Finding(subject="disk", verdict=Verdict.GOOD, found=found)
    return Finding(
        subject="disk",
        verdict=Verdict.BAD if free_bytes < _NEXT_TO_NOTHING_BYTES else Verdict.NOTE,
        found=found,
        advice="Make room, or choose another disk with --data-dir: what the server cannot take is kept here",
    )


def _folder(verdict: Verdict, found: str, *, advice: str | None = None) -> Finding:
    return Finding(subject="data folder", verdict=verdict, found=found, advice=advice)
