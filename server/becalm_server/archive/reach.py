"""The database of an archive for a command beside the server: the operator's, the server's own, or one we start."""

from collections.abc import Iterator
from contextlib import contextmanager

from becalm_server.archive.embedded import EmbeddedPostgres, running_url
from becalm_server.settings import ServerSettings


@contextmanager
def reached(settings: ServerSettings) -> Iterator[str]:
    """Give the URL of the archive that a server with these settings would use. Raises ConfigError or StorageError."""
    root = settings.data_dir / "postgres"
    if settings.database_url is not None:
        yield settings.database_url
        return
    if (url := running_url(root)) is not None:
        yield url
        return
    database = EmbeddedPostgres(root, durable=settings.durable)
    try:
        yield database.start()
    finally:
        database.stop()
