"""Lets `python -m becalm_cli` be the `becalm` command."""

import sys

try:
    from becalm_cli.main import run

    run()
except KeyboardInterrupt:  # also while the libraries are being imported
    sys.exit(130)
