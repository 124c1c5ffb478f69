"""The end of a session: everything settled, everything committed, or a sentence that says why not."""

import asyncio
import logging

from becalm_protocol.errors import StorageError
from becalm_server.session import Session

log = logging.getLogger(__name__)

# Commits take milliseconds; whoever asks for the end of a session is told when they do not come.
COMMIT_LIMIT_S = 5.0
# A pipeline that hears a long session once more takes a minute; one that cannot be had at all must not keep it open.
PIPELINE_LIMIT_S = 60.0


async def bring_to_end(session: Session) -> None:
    """Return once the pipeline's tail is settled and all is committed. Raises StorageError."""
    try:
        async with asyncio.timeout(PIPELINE_LIMIT_S):
            await session.flush()
    except TimeoutError:
        log.warning("a session ended before its pipeline had caught up; the record is whole")
    try:
        async with asyncio.timeout(COMMIT_LIMIT_S):
            await session.wait_committed()
    except TimeoutError as exc:
        raise StorageError("database: no commit for a while. Everything is kept; stop again when it is back") from exc
