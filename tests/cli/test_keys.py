import os
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from becalm_cli.keys import TOKEN_VARIABLE, announce_own_server, token_for, withdraw_own_server


@pytest.fixture(autouse=True)
def data_dir(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("BECALM_DATA_DIR", str(tmp_path))
    monkeypatch.delenv(TOKEN_VARIABLE, raising=False)
    return tmp_path


@pytest.fixture
def token_file(tmp_path: Path) -> Path:
    file = tmp_path / "operator_token"
    file.write_text("the key", encoding="ascii")
    return file


@pytest.fixture
def listening() -> Iterator[socket.socket]:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        yield listener


def port_of(listener: socket.socket) -> int:
    port: int = listener.getsockname()[1]
    return port


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "0.0.0.0", "[::]", "[::1]"])
def test_the_programs_of_this_account_find_a_server_by_any_name_of_this_machine(host: str, token_file: Path) -> None:
    announce_own_server(f"http://{host}:8765", token_file=token_file)
    assert token_for("http://127.0.0.1:8765/v1/health") == token_for("ws://localhost:8765") == "the key"
    assert token_for("http://127.0.0.1:8766") is None
    withdraw_own_server(f"http://{host}:8765")
    assert token_for("http://127.0.0.1:8765") is None


def test_the_key_of_a_server_that_was_killed_is_forgotten(
    token_file: Path, data_dir: Path, listening: socket.socket
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as killed:
        gone = port_of(killed)
    alive = port_of(listening)
    for port in (gone, alive):
        announce_own_server(f"http://127.0.0.1:{port}", token_file=token_file)
    announce_own_server("http://127.0.0.1:8765", token_file=token_file)
    assert [token_for(f"http://127.0.0.1:{port}") for port in (gone, alive, 8765)] == [None, "the key", "the key"]
    assert len(os.listdir(data_dir / "own_servers")) == 2
