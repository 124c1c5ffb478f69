"""The document that a server gives, against what that server really says and hears."""

import json
from typing import Any

import jsonschema_rs

from becalm_protocol.derived import Metrics
from becalm_protocol.forms import SUBPROTOCOL_2_JSON, SUBPROTOCOL_JSON
from becalm_protocol.handshake import Ping, Pong, Problem, SessionPhase, SessionView, StopSession
from becalm_protocol.live import Ages, Resume, Subscribe


def listen(peer: Any, frames: list[tuple[str, str]], channel: str) -> None:
    """Keep the text of every frame of a connection, with the operation it belongs to."""
    receive, send = peer.connection.recv, peer.connection.send

    async def heard() -> Any:
        text = await receive()
        frames.append((f"{channel}_send", text))
        return text

    async def said(text: str) -> None:
        frames.append((f"{channel}_receive", text))
        await send(text)

    peer.connection.recv, peer.connection.send = heard, said


async def test_every_frame_of_a_session_follows_the_document(server: Any, sensors: Any) -> None:
    frames: list[tuple[str, str]] = []
    async with (
        server.agent(SUBPROTOCOL_JSON) as agent,
        server.client(SUBPROTOCOL_2_JSON) as client,
        server.client(SUBPROTOCOL_JSON) as older,
        server.http() as http,
    ):
        for peer, channel in ((agent, "ingest"), (client, "live"), (older, "live")):
            listen(peer, frames, channel)
        await agent.hello()
        await client.hello()
        await older.hello()
        started = (await http.post("/v1/sessions", json={"baseline_s": 5})).json()
        await agent.open(sensors.streams, session_id=started["session_id"])
        for n in range(8):
            await agent.send(*sensors.second(n))
        await agent.wait_acks(sensors.last)
        await client.wait_live(Metrics)
        await older.wait_live(Metrics)
        await client.send(Ping(sent_ns=1, session_id=started["session_id"]))
        await client.wait(Pong)
        await client.wait(Ages)
        resume = Resume(feed_id="another", seq=1)
        await client.subscribe(Subscribe(session_id=started["session_id"], resume=resume, metrics_hz=1.0))
        await client.send(Subscribe(session_id="nobody"))
        await client.wait(Problem)
        await http.post(f"/v1/sessions/{started['session_id']}/stop")
        await agent.wait(StopSession)
        await agent.close_session(started["session_id"], sensors.last)
        for peer in (client, older):
            await peer.wait(lambda told: isinstance(told, SessionView) and told.phase is SessionPhase.ENDED)
        document = (await http.get("/v1/asyncapi.json")).json()
    assert document["servers"]["this"]["host"] == server.url.removeprefix("http://")
    checkers = {name: checker(document, name) for name in document["operations"]}
    for operation, text in frames:
        checkers[operation].validate(json.loads(text))
    types = {(operation, json.loads(text)["type"]) for operation, text in frames}
    assert len(types) >= 20, types


def checker(document: Any, operation: str) -> Any:
    """What the document lets pass in one direction of one channel."""
    messages = [message["$ref"] for message in document["operations"][operation]["messages"]]
    payloads = [document["components"]["messages"][ref.rpartition("/")[2]]["payload"] for ref in messages]
    return jsonschema_rs.Draft7Validator({"oneOf": payloads, "components": document["components"]})
