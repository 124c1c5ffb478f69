"""Coming in by a link: paired once, tokens taken back, agents kept apart, who is told what at the first start."""

import asyncio
import secrets
from pathlib import Path
from typing import Any

import httpx
from tests.server.access.conftest import PASSWORD, bearer, invited, paired

from becalm_protocol.errors import CloseCode
from becalm_protocol.events import SignalKind, StreamState
from becalm_protocol.forms import SUBPROTOCOL_2_JSON, SUBPROTOCOL_2_MSGPACK
from becalm_protocol.handshake import AgentHello, AgentStatus, ClientHello, Ping, Pong, Problem, StartSession
from becalm_protocol.sensor_state import SensorState
from becalm_server.access.caller import Caller
from becalm_server.access.first_start import ensure_operator_token, ensure_owner
from becalm_server.access.identities import Identities
from becalm_server.access.signing import Signer
from becalm_server.archive.access_store import open_owners_store
from becalm_server.settings import Profile


async def test_a_link_pairs_once(server: Any, http: httpx.AsyncClient) -> None:
    made = await invited(http, role="participant")
    assert made["link"] == f"{server.url}/pair#{made['code']}"
    async with server.stranger() as fresh:
        first = await fresh.post("/v1/access/pair", json={"code": made["code"], "label": "phone"})
        assert first.status_code == 201
        again = await fresh.post("/v1/access/pair", json={"code": made["code"]})
        assert (again.status_code, again.json()["type"]) == (401, "/problems/who")
        me = await fresh.get("/v1/access/me", headers=bearer(first.json()["token"]))
    assert me.json()["role"] == "participant"
    assert me.json()["person_id"] == first.json()["person_id"]


async def test_a_link_names_where_others_reach_the_server(start_server: Any, database_url: str) -> None:
    """Whatever address the operator's own program asked under."""
    async with start_server(database_url, public_url="https://calm.example.org") as server, server.http() as http:
        made = await invited(http, role="participant")
    assert made["link"] == f"https://calm.example.org/pair#{made['code']}"


async def test_the_key_on_this_machine_is_its_owners_alone_and_stays(
    start_server: Any, database_url: str, fetch: Any
) -> None:
    async with start_server(database_url) as server:
        path = server.settings.data_dir / "operator_token"
        token = server.token
        assert path.stat().st_mode & 0o777 == 0o600
    async with start_server(database_url) as server:
        assert server.token == token
    stored = await fetch(database_url, b"select token_sha256 from access_device")
    assert token.encode() not in bytes(stored[0]["token_sha256"])


async def test_a_key_that_others_could_read_opens_nothing_any_more(start_server: Any, database_url: str) -> None:
    async with start_server(database_url) as server:
        exposed = server.token
        (server.settings.data_dir / "operator_token").chmod(0o644)
    async with start_server(database_url) as server:
        for token, status in ((exposed, 401), (server.token, 200)):
            async with server.http(token) as http:
                assert (await http.get("/v1/access/me")).status_code == status


async def test_an_owner_with_a_password_is_offered_no_link(start_server: Any, database_url: str) -> None:
    links: list[str] = []
    given = {"profile": Profile.CLINIC, "on_invitation": links.append}
    async with start_server(database_url, **given) as server, server.stranger() as http:
        code = links[0].partition("#")[2]
        device = (await http.post("/v1/access/pair", json={"code": code})).json()
        http.headers.update(bearer(device["token"]))
        await http.post("/v1/access/me/password", json={"login": "owner", "password": PASSWORD})
        assert (await http.delete(f"/v1/access/devices/{device['device_id']}")).status_code == 200
    async with start_server(database_url, **given):
        assert len(links) == 1


async def test_a_login_name_is_given_once_also_at_the_same_moment(server: Any, http: httpx.AsyncClient) -> None:
    tokens = [(await paired(server, http, role="participant"))["token"] for _ in range(3)]
    wish = {"login": "ann", "password": PASSWORD}
    answers = await asyncio.gather(
        *(http.post("/v1/access/me/password", json=wish, headers=bearer(token)) for token in tokens)
    )
    assert sorted(one.status_code for one in answers) == [204, 409, 409]


async def test_what_changes_while_it_is_asked_for_is_not_remembered(database_url: str, tmp_path: Path) -> None:
    async with open_owners_store(database_url) as store:
        owner = await ensure_owner(store)
        token = await ensure_operator_token(store, owner=owner, data_dir=tmp_path)
        identities = Identities(store, signer=Signer(tmp_path))
        whole = identities.caller

        async def revoked_meanwhile(row: Any) -> Caller:
            caller = await whole(row)
            await store.rows("revoke_device", device_id=row["device_id"], account_id=None)
            identities.forget()
            return caller

        identities.caller = revoked_meanwhile  # type: ignore[method-assign]
        await identities.of_token(token)
        assert await identities.of_token(token) is None


async def test_a_revoked_token_closes_its_sockets_and_opens_nothing(server: Any, http: httpx.AsyncClient) -> None:
    told = await paired(server, http, role="participant")
    headers = bearer(told["token"])
    async with server.connect("/v1/live", SUBPROTOCOL_2_JSON, headers=headers) as connection:
        client = server.client_peer(connection, SUBPROTOCOL_2_JSON)
        await client.hello()
        listed = (await http.get("/v1/access/devices")).json()["items"]
        assert next(one["label"] for one in listed if one["device_id"] == told["device_id"]) == "a phone"
        revoked = await http.delete(f"/v1/access/devices/{told['device_id']}")
        assert revoked.json()["revoked_at"] is not None
        assert await client.closed() == CloseCode.AUTH
    async with server.http(told["token"]) as mine:
        assert (await mine.get("/v1/sessions")).status_code == 401
    async with server.connect("/v1/live", SUBPROTOCOL_2_JSON, headers=headers) as connection:
        client = server.client_peer(connection, SUBPROTOCOL_2_JSON)
        await client.send(ClientHello(versions=(2,), client="test"))
        assert await client.closed() == CloseCode.AUTH
        assert isinstance(client.heard[-1], Problem)
        assert "becalm pair" in client.heard[-1].detail


async def test_a_device_revokes_itself_but_no_other(server: Any, http: httpx.AsyncClient) -> None:
    mine, theirs = [await paired(server, http, role="participant") for _ in range(2)]
    async with server.http(mine["token"]) as me:
        assert (await me.delete(f"/v1/access/devices/{theirs['device_id']}")).status_code == 404
        assert [one["device_id"] for one in (await me.get("/v1/access/devices")).json()["items"]] == [mine["device_id"]]
        assert (await me.delete(f"/v1/access/devices/{mine['device_id']}")).status_code == 200
        assert (await me.get("/v1/access/me")).status_code == 401


async def test_an_agent_is_kept_to_its_token_and_its_person(server: Any, http: httpx.AsyncClient, sensors: Any) -> None:
    person = await paired(server, http, role="participant")
    agent_token = (await paired(server, http, role="agent", person_id=person["person_id"]))["token"]
    other_token = (await paired(server, http, role="agent", person_id=person["person_id"]))["token"]
    async with server.connect("/v1/ingest", SUBPROTOCOL_2_MSGPACK, headers=bearer(agent_token)) as connection:
        agent = server.agent_peer(connection, SUBPROTOCOL_2_MSGPACK)
        await agent.hello("agent-one")
        opened = await agent.open(sensors.streams)
    for token, agent_id in ((agent_token, "agent-two"), (other_token, "agent-one")):
        async with server.connect("/v1/ingest", SUBPROTOCOL_2_MSGPACK, headers=bearer(token)) as connection:
            rival = server.agent_peer(connection, SUBPROTOCOL_2_MSGPACK)
            await rival.send(AgentHello(versions=(2,), agent_id=agent_id))
            assert await rival.closed() == CloseCode.SCOPE
    async with server.http(person["token"]) as me:
        session = (await me.get(f"/v1/sessions/{opened.session_id}")).json()
    assert session["person_id"] == person["person_id"]
    async with server.connect("/v1/live", SUBPROTOCOL_2_JSON, headers=bearer(agent_token)) as connection:
        client = server.client_peer(connection, SUBPROTOCOL_2_JSON)
        await client.send(ClientHello(versions=(2,), client="curious agent"))
        assert await client.closed() == CloseCode.SCOPE


async def test_a_strangers_agent_of_the_same_name_is_another(
    server: Any, http: httpx.AsyncClient, sensors: Any
) -> None:
    stranger = await paired(server, http, role="participant")
    belt = SensorState(device="Belt of the owner", kind=SignalKind.RESPIRATION, state=StreamState.READY)
    rival_socket = server.connect("/v1/ingest", SUBPROTOCOL_2_MSGPACK, headers=bearer(stranger["token"]))
    async with server.agent() as agent, rival_socket as connection, server.http(stranger["token"]) as curious:
        await agent.hello("agent-one")
        await agent.send(AgentStatus(sensors=(belt,)))
        rival = server.agent_peer(connection, SUBPROTOCOL_2_MSGPACK)
        await rival.hello("agent-one")
        theirs = (await curious.post("/v1/sessions", json={"agent_id": "agent-one"})).json()
        started = (await http.post("/v1/sessions", json={"agent_id": "agent-one"})).json()
        assert (await rival.wait(StartSession)).session_id == theirs["session_id"]
        assert (await agent.wait(StartSession)).session_id == started["session_id"]
        await agent.open(sensors.streams, session_id=started["session_id"])
        assert (await curious.get("/v1/devices")).json()["items"] == []
        await rival.send(Ping(sent_ns=1))
        assert (await rival.wait(lambda m: isinstance(m, Pong) and m.sent_ns == 1)).clock_ns is None
        assert [one["name"] for one in (await http.get("/v1/devices")).json()["items"]] == ["Belt of the owner"]
    async with server.agent() as agent:  # the name is still the owner's
        await agent.hello("agent-one")


async def test_a_person_sees_only_their_own_session_live(server: Any, http: httpx.AsyncClient, sensors: Any) -> None:
    person, stranger = [await paired(server, http, role="participant") for _ in range(2)]
    agent_token = (await paired(server, http, role="agent", person_id=person["person_id"]))["token"]
    async with server.connect("/v1/ingest", SUBPROTOCOL_2_MSGPACK, headers=bearer(agent_token)) as connection:
        agent = server.agent_peer(connection, SUBPROTOCOL_2_MSGPACK)
        await agent.hello("agent-of-person")
        opened = await agent.open(sensors.streams)
        for token, sees in ((person["token"], True), (stranger["token"], False), (server.token, True)):
            async with server.connect("/v1/live", SUBPROTOCOL_2_JSON, headers=bearer(token)) as live:
                welcome = await server.client_peer(live, SUBPROTOCOL_2_JSON).hello()
                assert (welcome.session is not None) is sees
                assert welcome.agent_connected is sees
            async with server.http(token) as caller:
                assert (await caller.get("/v1/health")).json()["agent_connected"] is sees
                assert (await caller.get("/v1/sessions/current")).status_code == (200 if sees else 404)
                stopped = await caller.post(f"/v1/sessions/{'f' * 32}/stop")
                assert stopped.status_code == 404
        async with server.http(stranger["token"]) as caller:
            assert (await caller.post("/v1/sessions")).status_code == 409
            assert (await caller.post(f"/v1/sessions/{opened.session_id}/stop")).status_code == 404


async def test_the_owner_stays_and_others_can_be_sent_away(server: Any, http: httpx.AsyncClient) -> None:
    me = (await http.get("/v1/access/me")).json()
    assert (await http.delete(f"/v1/access/accounts/{me['account_id']}")).status_code == 409
    other = await paired(server, http, role="clinician")
    assert (await http.delete(f"/v1/access/accounts/{other['account_id']}")).json()["disabled_at"] is not None
    async with server.http(other["token"]) as gone:
        assert (await gone.get("/v1/access/me")).status_code == 401


async def test_sessions_of_before_become_the_owners(start_server: Any, database_url: str, fetch: Any) -> None:
    session_id = secrets.token_hex(16)
    await fetch(
        database_url,
        b"insert into session (session_id, source, baseline_s) values (%s, 'live', 60) returning session_id",
        session_id,
    )
    async with start_server(database_url) as server, server.http() as http:
        me = (await http.get("/v1/access/me")).json()
        assert (await http.get(f"/v1/sessions/{session_id}")).json()["person_id"] == me["person_id"]
