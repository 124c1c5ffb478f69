"""The two WebSockets as an AsyncAPI 3 document, made from the types of the wire."""

from typing import Any, get_args

from becalm_protocol import handshake
from becalm_protocol.forms import AGENT_SUBPROTOCOLS, CLIENT_SUBPROTOCOLS
from becalm_protocol.plain import TYPES, tag_of
from becalm_protocol.schema import reference, schemas, summary

ASYNCAPI_VERSION = "3.0.0"
_DESCRIPTION = (
    "What an agent beside a body and what front ends say to a becalm server, and it to them. The conversation, the "
    "sealed binary form and the rules for resuming are told in PROTOCOL.md of the Python package becalm_protocol. "
    "Fields and types are only ever added within a version: readers ignore unknown ones."
)
_CHANNELS: tuple[tuple[str, str, tuple[str, ...], Any, Any], ...] = (
    (
        "live",
        "Front ends: live values of sessions.",
        CLIENT_SUBPROTOCOLS,
        handshake.ClientMessage,
        handshake.ServerToClient,
    ),
    ("ingest", "Agents: raw events of sensors.", AGENT_SUBPROTOCOLS, handshake.AgentMessage, handshake.ServerToAgent),
)


def document(*, version: str, host: str) -> dict[str, Any]:
    """Return the document of a server at `host` (name and port)."""
    return {
        "asyncapi": ASYNCAPI_VERSION,
        "info": {
            "title": "becalm",
            "version": version,
            "description": _DESCRIPTION,
            "license": {"name": "Apache-2.0", "url": "https://www.apache.org/licenses/LICENSE-2.0"},
        },
        "defaultContentType": "application/json",
        "servers": {"this": {"host": host, "protocol": "ws", "description": "Behind a proxy with TLS: wss."}},
        "channels": {name: _channel(name, *more) for name, *more in _CHANNELS},
        "operations": {key: operation for channel in _CHANNELS for key, operation in _operations(*channel)},
        "components": {"messages": _messages(), "schemas": schemas()},
    }


def _channel(name: str, description: str, subprotocols: tuple[str, ...], heard: Any, said: Any) -> dict[str, Any]:
    tags = dict.fromkeys(tag_of(cls) for cls in (*get_args(heard), *get_args(said)))
    spoken = {"type": "string", "enum": list(subprotocols), "description": "Version and form, newest first."}
    headers = {"type": "object", "properties": {"Sec-WebSocket-Protocol": spoken}}
    return {
        "address": f"/v1/{name}",
        "description": description,
        "messages": {tag: {"$ref": f"#/components/messages/{tag}"} for tag in tags},
        "bindings": {"ws": {"method": "GET", "headers": headers}},
    }


def _operations(
    name: str, _: str, __: tuple[str, ...], heard: Any, said: Any
) -> tuple[tuple[str, dict[str, Any]], tuple[str, dict[str, Any]]]:
    """Return what the server receives and what it sends on a channel."""

    def operation(action: str, union: Any) -> dict[str, Any]:
        told = [{"$ref": f"#/channels/{name}/messages/{tag_of(cls)}"} for cls in get_args(union)]
        return {"action": action, "channel": {"$ref": f"#/channels/{name}"}, "messages": told}

    return (f"{name}_receive", operation("receive", heard)), (f"{name}_send", operation("send", said))


def _messages() -> dict[str, Any]:
    classes = {cls for *_, heard, said in _CHANNELS for cls in (*get_args(heard), *get_args(said))}
    return {
        tag: {"name": tag, "title": cls.__name__, "summary": summary(cls), "payload": reference(cls)}
        for tag, cls in TYPES.items()
        if cls in classes
    }
