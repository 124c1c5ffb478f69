"""The phone client, and the same practice in a terminal.

Owns the feed of `/v1/live`, the practice model with its pacer, and what people see and read. Imports becalm_protocol
and websockets; kivy only in `widgets`, `screens` and `app.py`, rich only in `terminal.py`. Open `model.py` first.
"""
