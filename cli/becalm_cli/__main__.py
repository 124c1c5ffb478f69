"""Lets `python -m becalm_cli` be the `becalm` command."""

from becalm_cli.main import run

run()
