"""Markers and notes: kept once, shown live, in every export that carries annotations."""

import io
import json
import zipfile
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest

from becalm_protocol.wishes import Marker

NS = 1_000_000_000


@pytest.fixture
async def http(server: Any) -> AsyncIterator[httpx.AsyncClient]:
    async with server.http() as client:
        yield client


async def recorded(server: Any, sensors: Any) -> str:
    async with server.agent() as agent:
        await agent.hello()
        opened = await agent.open(sensors.streams)
        for n in range(4):
            await agent.send(*sensors.second(n))
        await agent.close_session(opened.session_id, sensors.last)
        return str(opened.session_id)


async def test_a_marker_reaches_live_clients_at_once(server: Any, sensors: Any, http: httpx.AsyncClient) -> None:
    async with server.agent() as agent, server.client() as client:
        await agent.hello()
        await client.hello()
        opened = await agent.open(sensors.streams)
        await agent.send(*sensors.second(0))
        await agent.wait_acks(sensors.last)
        path = f"/v1/sessions/{opened.session_id}/markers"
        marked = (await http.post(path, json={"label": "door bell"})).json()
        seen = (await client.wait_live(Marker)).event
        assert (seen.marker_id, seen.t_ns, seen.label, seen.removed) == (
            marked["marker_id"], marked["t_ns"], "door bell", False,
        )  # fmt: skip
        assert marked["t_ns"] >= NS  # session time now, and never before what has already come
        assert (await http.delete(f"{path}/{marked['marker_id']}")).status_code == 204
        gone = (await client.wait_live(Marker)).event
        assert (gone.marker_id, gone.removed) == (marked["marker_id"], True)
        assert (await http.get(path)).json() == {"items": []}


async def test_markers_are_kept_in_order_of_session_time(server: Any, sensors: Any, http: httpx.AsyncClient) -> None:
    path = f"/v1/sessions/{await recorded(server, sensors)}/markers"
    for t_ns, label in ((3 * NS, "later"), (-NS, "before"), (None, "at its end")):
        answer = await http.post(path, json={"label": label, "t_ns": t_ns})
        assert answer.status_code == 201, answer.text
    items = (await http.get(path)).json()["items"]
    assert [(one["label"], one["t_ns"]) for one in items] == [
        ("before", -NS),
        ("later", 3 * NS),
        ("at its end", 4 * NS),
    ]


async def test_notes_are_kept_as_written(server: Any, sensors: Any, http: httpx.AsyncClient) -> None:
    path = f"/v1/sessions/{await recorded(server, sensors)}/notes"
    texts = ["Slept badly.\nTook the stairs.", "شعرت بهدوء", "'; drop table annotation; --", "👩\u200d⚕️ \u0301"]
    for text in texts:
        assert (await http.post(path, json={"text": text})).status_code == 201
    items = (await http.get(path)).json()["items"]
    assert [one["text"] for one in items] == texts
    assert (await http.delete(f"{path}/{items[0]['note_id']}")).status_code == 204
    assert (await http.delete(f"{path}/{items[0]['note_id']}")).status_code == 404
    assert len((await http.get(path)).json()["items"]) == 3


async def test_an_annotation_is_reached_through_its_own_session(
    server: Any, sensors: Any, http: httpx.AsyncClient
) -> None:
    first = f"/v1/sessions/{await recorded(server, sensors)}"
    async with server.agent() as agent:
        await agent.hello()
        other = f"/v1/sessions/{(await http.post('/v1/sessions')).json()['session_id']}"
    marker_id = (await http.post(f"{first}/markers", json={"label": "mine"})).json()["marker_id"]
    assert (await http.delete(f"{other}/markers/{marker_id}")).status_code == 404
    assert (await http.delete(f"{first}/notes/{marker_id}")).status_code == 404
    assert (await http.delete(f"{first}/markers/{marker_id}")).status_code == 204


@pytest.mark.parametrize(
    "label",
    [
        "",
        "x" * 65,
        "a\0b",
        "two\nlines",
        "\u202egnp.exe",
        "a\u200bb",
        "\ufeff",
        "\x1b[31m",
        "\ud800",
        5,
        True,
        None,
        ["x"],
    ],
)
async def test_odd_labels_are_refused(server: Any, sensors: Any, http: httpx.AsyncClient, label: Any) -> None:
    path = f"/v1/sessions/{await recorded(server, sensors)}/markers"
    answer = await http.post(path, content=json.dumps({"label": label}), headers={"content-type": "application/json"})
    assert (answer.status_code, answer.json()["errors"][0]["field"]) == (422, "body.label")


@pytest.mark.parametrize("t_ns", ["1", 1.5, 2**53 + 1, 1e300, True])
async def test_odd_times_are_refused(server: Any, sensors: Any, http: httpx.AsyncClient, t_ns: Any) -> None:
    path = f"/v1/sessions/{await recorded(server, sensors)}/markers"
    assert (await http.post(path, json={"label": "x", "t_ns": t_ns})).status_code == 422


async def test_exports_carry_markers_and_no_notes(server: Any, sensors: Any, http: httpx.AsyncClient) -> None:
    session = f"/v1/sessions/{await recorded(server, sensors)}"
    await http.post(f"{session}/markers", json={"label": "=cmd|' /C calc'!A0", "t_ns": 2 * NS})
    await http.post(f"{session}/notes", json={"text": "Anna slept badly"})
    packed = (await http.get(f"{session}/export?format=csv")).content
    with zipfile.ZipFile(io.BytesIO(packed)) as files:
        lines = files.read("markers.csv").decode().splitlines()
        assert lines[0].split(",")[1:3] == ["t_ns", "label"]
        assert f",{2 * NS},'=cmd|' /C calc'!A0," in lines[1]
        assert not any(b"Anna" in files.read(name) for name in files.namelist())
    edf = (await http.get(f"{session}/export?format=edf")).content
    assert b"Marker =cmd|' /C calc'!A0" in edf
    assert b"Anna" not in edf
