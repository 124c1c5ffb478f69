"""The `becalm` command: starts the parts, alone or together.

The one package that may import every other. Each command imports what it needs when it is called, so that `--help` is
quick and the agent never loads the server. Open `main.py` first.
"""
