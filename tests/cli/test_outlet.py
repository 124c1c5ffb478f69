"""What `becalm outlet` takes and refuses."""

import pytest
from typer.testing import CliRunner

from becalm_cli.outlet import app
from becalm_protocol.errors import ConfigError

RUN = CliRunner()


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["osc", "--to", "9000"], "HOST:PORT"),
        (["osc", "--to", "127.0.0.1:0"], "HOST:PORT"),
        (["osc", "--to", "127.0.0.1:70000"], "HOST:PORT"),
        (["osc", "--prefix", "becalm"], "--prefix"),
        (["osc", "--waveforms", "ecg,smell"], "smell"),
        (["lsl", "--waveforms", "smell"], "smell"),
        (["osc", "--server", "ftp://x"], "--server"),
    ],
)
def test_a_wrong_wish_is_said_in_a_sentence(words: list[str], says: str) -> None:
    result = RUN.invoke(app, words)
    assert isinstance(result.exception, ConfigError)
    assert says in str(result.exception)
