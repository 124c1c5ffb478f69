"""Secrets come by a question, by standard input or from a file: everybody on a machine can read a command's words."""

import sys
from pathlib import Path
from typing import Annotated

import typer

from becalm_protocol.errors import ConfigError

# A link or a password is a line; more in a file is another file.
MAX_CHARS = 4_096
SecretFileOption = Annotated[
    Path | None, typer.Option("--from", help="File whose first line it is, - for standard input [default: ask].")
]


def asked_secret(
    question: str, *, file: Path | None, hidden: bool, twice: bool = False, may_be_empty: bool = False
) -> str:
    """Return the first line of a file or of standard input, or what a person types. Raises ConfigError."""
    if file is None and sys.stdin.isatty():
        default = "" if may_be_empty else None
        answer: str = typer.prompt(
            question, default, hide_input=hidden, confirmation_prompt=twice, show_default=False, err=True
        )
    elif file is None or str(file) == "-":
        answer = sys.stdin.readline(MAX_CHARS)
    else:
        try:
            with file.open(encoding="utf-8") as opened:
                answer = opened.readline(MAX_CHARS)
        except (OSError, UnicodeDecodeError) as exc:
            raise ConfigError(
                f"expected a text file to read, got {type(exc).__name__}: {file}", setting="--from"
            ) from exc
    if not (answer.strip() or may_be_empty):
        raise ConfigError(f"expected a line with it ({question}), got none", setting="--from")
    return answer.strip("\r\n") if hidden else answer.strip()
