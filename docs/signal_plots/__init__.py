"""The pictures of docs/signal.md, a module a stage; `drawing.py` has what they share."""
