"""The agent beside the body: sensors and recordings to events, a spool on disk, one WebSocket to the server.

Imports becalm_protocol, websockets and (in `link.py` alone) bleak; no numpy, so that it fits small machines.
Open `agent.py` first, then `devices/family.py`.
"""
