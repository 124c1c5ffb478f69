"""A small client of becalm's live interface, for programs that want typed values and not a socket.

Owns one link to `/v1/live`: it subscribes, keeps session time, comes back after a break without a hole, and says how
the link is. Imports becalm_protocol and websockets only. Open `feed.py` first.
"""
