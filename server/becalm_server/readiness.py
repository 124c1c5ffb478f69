"""Whether the server can do its work now, and if not, why: for whatever sends people or traffic to it."""

import shutil

from becalm_protocol.errors import StorageError
from becalm_server.parts import Parts

# A day of ten people's raw signals is 650 MB at most; PostgreSQL needs room for its log beside it.
MIN_FREE_BYTES = 1_000_000_000


async def reasons_against(parts: Parts) -> list[str]:
    """Return a sentence for each thing that keeps the server from its work; none when it is ready."""
    writer = parts.archive.writer
    reasons = []
    try:
        await parts.archive.server_version()
    except StorageError as exc:
        reasons.append(str(exc))
    if writer.trouble is not None:
        reasons.append(f"writer: {writer.trouble}")
    if parts.lanes.trouble is not None:
        reasons.append(f"pipelines: {parts.lanes.trouble}")
    if parts.settings.database_url is None:
        reasons += _disk(parts)
    return reasons


def _disk(parts: Parts) -> list[str]:
    free = shutil.disk_usage(parts.settings.data_dir).free
    if free >= MIN_FREE_BYTES:
        return []
    return [f"disk: expected {MIN_FREE_BYTES / 1e9:.0f} GB free for the database, got {free / 1e9:.2f}. Make room"]
