"""The SQL of the archive, loaded once from its files: `-- name: purpose` above each statement."""

import re
from pathlib import Path

MIGRATIONS = Path(__file__).with_name("migrations")
_HEADING = re.compile(rb"^-- ([a-z_]+): .+$", re.MULTILINE)


def load_statements(path: Path) -> dict[str, bytes]:
    """Return each named statement of an SQL file."""
    parts = _HEADING.split(path.read_bytes())
    return {name.decode(): sql.strip() for name, sql in zip(parts[1::2], parts[2::2], strict=True)}


SQL = {
    name: sql
    for file in (
        "queries.sql",
        "api_queries.sql",
        "lane_queries.sql",
        "upkeep_queries.sql",
        "derive_queries.sql",
        "backup_queries.sql",
    )
    for name, sql in load_statements(Path(__file__).with_name(file)).items()
}
