"""The same session on PostgreSQL with and without TimescaleDB: the same answers."""

from typing import Any


async def answers(server: Any, sensors: Any) -> dict[str, Any]:
    session_id = "3" * 32
    async with server.agent() as agent, server.http() as http:
        await agent.hello()
        await agent.open(sensors.streams, session_id=session_id)
        for n in range(5):
            await agent.send(*sensors.second(n))
        await agent.close_session(session_id, sensors.last)
    async with server.agent() as agent, server.http() as http:
        await agent.hello()
        await agent.open(sensors.streams, session_id=session_id)
        await agent.send(*sensors.sent)  # every event again: the hypertable's key must not double
        await agent.close_session(session_id, sensors.last)
        path = f"/v1/sessions/{session_id}"
        found = {part: (await http.get(f"{path}/{part}")).json() for part in ("beats", "metrics", "counts")}
        found["timescale"] = (await http.get("/v1/health")).json()["timescale"]
    for row in found["metrics"]["items"]:
        del row["time"]  # the wall clock of each session
    for stream in found["counts"]["streams"]:
        del stream["stream_id"]
    return found


async def test_overlay_changes_no_answer(
    timescale_url: str, database_url: str, start_server: Any, sensors: Any, fetch: Any
) -> None:
    async with start_server(timescale_url) as server:
        with_overlay = await answers(server, sensors)
    hypertables = await fetch(
        timescale_url, b"select hypertable_name as name from timescaledb_information.hypertables order by 1"
    )
    assert [row["name"] for row in hypertables] == ["metrics", "raw_event", "raw_packed"]
    aggregates = await fetch(
        timescale_url,
        b"select view_name::text as name, materialized_only from timescaledb_information.continuous_aggregates",
    )
    assert aggregates == [{"name": "metrics_day", "materialized_only": False}]
    assert with_overlay.pop("timescale").startswith("active 2.")
    plain_sensors = type(sensors)()
    async with start_server(database_url) as server:
        plain = await answers(server, plain_sensors)
    assert plain.pop("timescale").startswith("absent")
    assert with_overlay == plain
    assert plain["counts"]["n_duplicates_prevented"] == 15
