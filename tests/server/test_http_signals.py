"""Windows of a stream over HTTP: every sample once, bytes as promised in docs/api.md, no peak lost."""

import asyncio
import json
import struct
from collections.abc import AsyncIterator
from typing import Any

import httpx
import numpy as np
import pytest

from becalm_server import http_signals
from becalm_server.archive.packer import pack_session
from becalm_server.binary_window import MEDIA_TYPE, narrow, pack
from becalm_server.bodies.signals import OverviewBody, SamplesBody

NS = 1_000_000_000
N_SECONDS = 6


class Recorded:
    """A session of some seconds, and its ECG and belt by HTTP."""

    def __init__(self, http: httpx.AsyncClient, session_id: str, sensors: Any) -> None:
        self.http = http
        self.session_id = session_id
        self.sensors = sensors
        self.ecg = [(17 * idx) % 801 - 400 for idx in range(N_SECONDS * 130)]

    def path(self, stream_id: str, kind: str) -> str:
        return f"/v1/sessions/{self.session_id}/streams/{stream_id}/{kind}"

    async def get(self, kind: str, **query: Any) -> httpx.Response:
        answer = await self.http.get(self.path(self.sensors.ecg.stream_id, kind), params=query)
        assert answer.status_code == 200, answer.text
        return answer


@pytest.fixture
async def recorded(server: Any, sensors: Any) -> AsyncIterator[Recorded]:
    async with server.agent() as agent:
        await agent.hello()
        opened = await agent.open(sensors.streams)
        for n in range(N_SECONDS):
            await agent.send(*sensors.second(n))
        await agent.close_session(opened.session_id, sensors.last)
    async with server.http() as http:
        yield Recorded(http, opened.session_id, sensors)


def unpacked(data: bytes) -> tuple[dict[str, Any], dict[str, list[float]]]:
    """Read a window as docs/api.md says, with the standard library."""
    (n_head,) = struct.unpack_from("<I", data)
    head = json.loads(data[4 : 4 + n_head])
    position, arrays = 4 + n_head, {}
    assert position % 8 == 0
    for name, element, n in head["arrays"]:
        form = {"int16": "h", "int32": "i", "uint32": "I", "float32": "f"}[element]
        arrays[name] = list(struct.unpack_from(f"<{n}{form}", data, position))
        position += n * struct.calcsize(form)
    assert position == len(data)
    return head, arrays


def times_ns(runs: Any) -> list[float]:
    return [run["t_ns"] + k * run["period_ns"] for run in runs for k in range(run["n_samples"])]


async def test_every_sample_comes_with_its_time(recorded: Recorded) -> None:
    body = (await recorded.get("samples")).json()
    SamplesBody.model_validate(body)
    assert body["counts"] == recorded.ecg
    assert (body["unit"], body["unit_per_count"], body["placed"], body["next_start_ns"]) == ("uV", 1.0, False, None)
    at_ns = times_ns(body["runs"])
    assert len(at_ns) == len(recorded.ecg)
    assert np.abs(np.diff(at_ns) - NS / 130).max() < 1_000
    assert at_ns[-1] == pytest.approx(N_SECONDS * NS, abs=1_000)  # a second's last sample arrives as it is taken


async def test_windows_join_without_a_hole(recorded: Recorded, monkeypatch: pytest.MonkeyPatch) -> None:
    parts = [
        (await recorded.get("samples", start_ns=start_ns, end_ns=end_ns)).json()["counts"]
        for start_ns, end_ns in (
            (-NS, 1_234_567_891),
            (1_234_567_891, 3 * NS),
            (3 * NS, 3 * NS + 1),
            (3 * NS + 1, 9 * NS),
        )
    ]
    assert [count for part in parts for count in part] == recorded.ecg
    monkeypatch.setattr(http_signals, "MAX_SAMPLES", 100)
    joined, start_ns = [], 0
    while start_ns is not None:
        body = (await recorded.get("samples", start_ns=start_ns)).json()
        assert len(body["counts"]) <= 101
        joined += body["counts"]
        start_ns = body["next_start_ns"]
    assert joined == recorded.ecg


async def test_a_packed_session_gives_the_same(recorded: Recorded, database_url: str) -> None:
    before = (await recorded.get("samples")).json()
    await asyncio.to_thread(pack_session, database_url, recorded.session_id)
    after = (await recorded.get("samples")).json()
    assert (after["counts"], after["placed"]) == (before["counts"], True)
    assert np.abs(np.subtract(times_ns(after["runs"]), times_ns(before["runs"]))).max() < NS / 100


async def test_bytes_say_what_json_says(recorded: Recorded) -> None:
    whole = (await recorded.get("samples")).json()
    answer = await recorded.get("samples", form="counts")
    assert answer.headers["content-type"] == MEDIA_TYPE
    head, arrays = unpacked(answer.content)
    assert arrays == {"count": whole["counts"]}
    assert [dict(zip(("t_ns", "period_ns", "n_samples"), run, strict=True)) for run in head["runs"]] == whole["runs"]
    assert {name: head[name] for name in ("kind", "start_ns", "end_ns", "next_start_ns")} == {
        name: whole[name] for name in ("kind", "start_ns", "end_ns", "next_start_ns")
    }
    belt = recorded.path(recorded.sensors.belt.stream_id, "samples")
    _, values = unpacked((await recorded.http.get(f"{belt}?form=values")).content)
    assert values["value"] == pytest.approx([(700 + idx % 40) / 100 for idx in range(10 * N_SECONDS)], abs=1e-5)


async def test_an_overview_loses_no_peak(recorded: Recorded) -> None:
    body = (await recorded.get("overview", n_buckets=10)).json()
    OverviewBody.model_validate(body)
    assert len(body["t_us"]) == len(body["counts"]) <= 40
    assert {min(recorded.ecg), max(recorded.ecg)} <= set(body["counts"])
    assert (body["counts"][0], body["counts"][-1]) == (recorded.ecg[0], recorded.ecg[-1])
    assert body["t_us"] == sorted(body["t_us"])
    head, arrays = unpacked((await recorded.get("overview", n_buckets=10, form="counts")).content)
    assert arrays == {"t": body["t_us"], "count": body["counts"]}
    assert head["t_step_ns"] == 1_000
    _, arrays = unpacked((await recorded.get("overview", n_buckets=10, form="values")).content)
    assert arrays["value"] == body["counts"]


async def test_hours_are_told_in_longer_steps(recorded: Recorded) -> None:
    head, arrays = unpacked((await recorded.get("overview", end_ns=10 * 3600 * NS, form="counts")).content)
    assert head["t_step_ns"] == -(-10 * 3600 * NS // 2**32)
    assert arrays["t"][-1] * head["t_step_ns"] == pytest.approx(N_SECONDS * NS, abs=2 * head["t_step_ns"])


async def test_a_window_of_nothing_is_empty(recorded: Recorded) -> None:
    for window in ({"start_ns": 5, "end_ns": 5}, {"start_ns": 100 * NS}, {"start_ns": 2**53, "end_ns": -(2**53)}):
        assert (await recorded.get("samples", **window)).json()["counts"] == []
        assert (await recorded.get("overview", **window)).json()["counts"] == []
        assert unpacked((await recorded.get("overview", form="counts", **window)).content)[1] == {"t": [], "count": []}


async def test_a_stream_is_reached_through_its_own_session(recorded: Recorded, server: Any) -> None:
    async with server.agent() as agent:
        await agent.hello()
        other = (await agent.open(type(recorded.sensors)().streams)).session_id
        theirs = recorded.sensors.ecg.stream_id
        for kind in ("samples", "overview"):
            assert (await recorded.http.get(f"/v1/sessions/{other}/streams/{theirs}/{kind}")).status_code == 404
            for stream_id in ("none", "%00", recorded.sensors.rr.stream_id):
                answer = await recorded.http.get(recorded.path(stream_id, kind))
                assert (answer.status_code, answer.json()["type"]) == (404, "/problems/unknown-stream")


def test_wide_counts_stay_whole() -> None:
    assert narrow(np.array([-0x8000, 0x7FFF], np.int32)).dtype == np.int16
    assert narrow(np.array([0x8000], np.int32)).dtype == np.int32
    head, arrays = unpacked(pack({"unit": "µS"}, {"count": narrow(np.array([-(2**31), 2**31 - 1], np.int32))}))
    assert (head["unit"], arrays["count"]) == ("µS", [-(2**31), 2**31 - 1])
