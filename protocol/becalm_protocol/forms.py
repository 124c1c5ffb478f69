"""Versions of the wire, and the WebSocket sub-protocols that name a version and an encoding."""

VERSIONS = (2, 1)
"""Wire versions this code speaks, newest first."""
SERVICE_TYPE = "_becalm._tcp.local."
"""A server on the local network (RFC 6763); TXT `version`: the newest it speaks, `path`: where clients go."""
SUBPROTOCOL_JSON = "becalm.v1.json"
SUBPROTOCOL_MSGPACK = "becalm.v1.msgpack"
SUBPROTOCOL_2_JSON = "becalm.v2.json"
SUBPROTOCOL_2_MSGPACK = "becalm.v2.msgpack"
SEALED = frozenset({SUBPROTOCOL_2_MSGPACK})
"""Every frame carries a check of its own: see `envelope.py`."""
AGENT_SUBPROTOCOLS = (SUBPROTOCOL_2_MSGPACK, SUBPROTOCOL_MSGPACK, SUBPROTOCOL_JSON)
"""In order of preference. Raw data of version 2 are always sealed, so it has no JSON."""
CLIENT_SUBPROTOCOLS = (SUBPROTOCOL_2_MSGPACK, SUBPROTOCOL_2_JSON, SUBPROTOCOL_MSGPACK, SUBPROTOCOL_JSON)

_VERSION_OF = {
    SUBPROTOCOL_JSON: 1,
    SUBPROTOCOL_MSGPACK: 1,
    SUBPROTOCOL_2_JSON: 2,
    SUBPROTOCOL_2_MSGPACK: 2,
}


def version_of(subprotocol: str) -> int:
    """Return the version of the wire that a sub-protocol names."""
    return _VERSION_OF[subprotocol]
