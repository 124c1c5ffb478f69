"""The AsyncAPI document: well formed, complete, and true of every golden frame."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, get_args

import jsonschema_rs
import pytest

from becalm_protocol import handshake
from becalm_protocol.asyncapi import document
from becalm_protocol.plain import tag_of
from becalm_protocol.schema import schemas

GOLDEN = Path(__file__).parent / "golden"
DOCUMENT = document(version="1.2.3", host="127.0.0.1:8765")


def references(node: Any) -> Iterator[str]:
    if isinstance(node, dict):
        if isinstance(node.get("$ref"), str):
            yield node["$ref"]
        for inner in node.values():
            yield from references(inner)
    elif isinstance(node, list):
        for inner in node:
            yield from references(inner)


def resolved(pointer: str) -> Any:
    node: Any = DOCUMENT
    for step in pointer.removeprefix("#/").split("/"):
        node = node[step]
    return node


def checker(name: str) -> Any:
    schema = {"$ref": f"#/components/schemas/{name}", "components": DOCUMENT["components"]}
    return jsonschema_rs.Draft7Validator(schema)


def test_document_has_what_asyncapi_3_asks_for() -> None:
    assert DOCUMENT["asyncapi"] == "3.0.0"
    assert {"title", "version"} <= set(DOCUMENT["info"])
    assert DOCUMENT["servers"]["this"].keys() >= {"host", "protocol"}
    assert {channel["address"] for channel in DOCUMENT["channels"].values()} == {"/v1/live", "/v1/ingest"}
    for operation in DOCUMENT["operations"].values():
        assert operation["action"] in ("send", "receive")
        channel = resolved(operation["channel"]["$ref"])
        of_channel = {f"{operation['channel']['$ref']}/messages/{tag}" for tag in channel["messages"]}
        assert {message["$ref"] for message in operation["messages"]} <= of_channel
    for pointer in references(DOCUMENT):
        assert resolved(pointer) is not None
    for schema in DOCUMENT["components"]["schemas"].values():
        jsonschema_rs.meta.validate({"$schema": "http://json-schema.org/draft-07/schema#", **schema})


def test_every_message_is_there_on_the_side_that_says_it() -> None:
    said = {
        "live_receive": handshake.ClientMessage,
        "live_send": handshake.ServerToClient,
        "ingest_receive": handshake.AgentMessage,
        "ingest_send": handshake.ServerToAgent,
    }
    for name, union in said.items():
        told = {message["$ref"].rpartition("/")[2] for message in DOCUMENT["operations"][name]["messages"]}
        assert told == {tag_of(cls) for cls in get_args(union)}


def test_every_type_and_nearly_every_field_says_what_it_means() -> None:
    types = schemas()
    assert all(schema["description"] for schema in types.values())
    assert types["SampleBlock"]["properties"]["counts"]["description"].startswith("shape (n_samples,)")
    assert types["Ledger"]["required"] == ["sample_ns", "received_ns", "accepted_ns", "published_ns"]


@pytest.mark.parametrize("path", sorted(GOLDEN.glob("*.json")), ids=lambda path: path.stem)
def test_golden_frames_follow_their_schema(path: Path) -> None:
    frame = json.loads(path.read_text(encoding="utf-8"))
    checker(path.name.split(".")[0]).validate(frame)


@pytest.mark.parametrize(
    ("name", "frame"),
    [
        ("Ping", {"type": "ping"}),
        ("Ping", {"type": "pong", "sent_ns": 1}),
        ("Ping", {"type": "ping", "sent_ns": 1.5}),
        ("Ping", {"type": "ping", "sent_ns": 2**63}),
        ("Live", {"type": "live", "seq": 1, "event": {"type": "ping", "sent_ns": 1}}),
        ("Live", {"type": "live", "seq": 1, "event": {"type": "battery", "stream_id": "x", "received_ns": 1}}),
        ("Subscribe", {"type": "subscribe", "events": "beat"}),
        (
            "SessionView",
            {"type": "session_view", "session_id": "x", "phase": "asleep", "source": "live", "baseline_s": 1},
        ),
    ],
)
def test_wrong_frames_do_not_follow_it(name: str, frame: Any) -> None:
    assert not checker(name).is_valid(frame)
