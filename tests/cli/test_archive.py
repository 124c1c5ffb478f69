"""An operator saves an archive, fills another from it and derives its sessions anew, with the real commands."""

import json
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from typer.testing import CliRunner

from becalm_cli.main import app
from becalm_protocol.errors import ConfigError
from becalm_server.archive.embedded import EmbeddedPostgres
from becalm_server.archive.migrate import migrate


@pytest.fixture
def folder() -> Iterator[Path]:
    """One that the database's own account can enter, also when the tests run as root."""
    made = Path(tempfile.mkdtemp(prefix="becalm-test-"))
    made.chmod(0o711)
    yield made
    shutil.rmtree(made)


def becalm(*words: str) -> str:
    done = CliRunner().invoke(app, words)
    if done.exception is not None:
        raise done.exception
    return done.stdout


def test_an_archive_moves_to_another_folder(folder: Path) -> None:
    here, there, file = folder / "here", folder / "there", folder / "saved.becalm"
    (here / "server").mkdir(parents=True)
    database = EmbeddedPostgres(here / "server" / "postgres", durable=False)
    migrate(database.start())
    try:
        saved = becalm("backup", str(file), "--data-dir", str(here), "--json")  # beside a running database
    finally:
        database.stop()
    told = becalm("restore", str(file), "--data-dir", str(there))
    assert json.loads(saved)["content_sha256"] in told
    assert told.startswith("0 sessions, ")
    assert json.loads(becalm("rederive", "--all", "--json", "--data-dir", str(there))) == []


@pytest.mark.parametrize("words", [("rederive",), ("rederive", "one", "--all")])
def test_one_session_or_all_are_derived_anew(folder: Path, words: tuple[str, ...]) -> None:
    with pytest.raises(ConfigError, match="SESSION: expected one session, or --all"):
        becalm(*words, "--data-dir", str(folder))
