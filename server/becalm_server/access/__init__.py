"""Who may come in and do what: accounts, device tokens, one table of rules, one gate before every route.

May import becalm_protocol, the archive, FastAPI in `gate.py` and the libraries for passwords, tokens and limits. Open
`rules.py` first: it is the whole policy; then `gate.py`, which enforces it.
"""
