"""The database itself shows a request only the people it may see, and nothing where nobody said whom."""

import asyncio
import contextvars
from collections.abc import Callable, Iterable
from typing import Any

import psycopg
import pytest

from becalm_server.archive.row_security import READER_OPTIONS, see
from becalm_server.archive.store import open_archive

LARGE = ("raw_event", "raw_packed", "metrics")
PEOPLE = {"ann": "a" * 32, "ben": "b" * 32}


@pytest.fixture
def two_people(database_url: str) -> str:
    with psycopg.connect(database_url, autocommit=True) as connection:
        for person_id, session_id in PEOPLE.items():
            connection.execute("insert into person (person_id) values (%s)", (person_id,))
            connection.execute(
                "insert into session (session_id, person_id, source, baseline_s) values (%s, %s, 'live', 60)",
                (session_id, person_id),
            )
            connection.execute(
                "insert into stream (stream_id, session_id, position, kind, unit, unit_per_count, clock, device)"
                " values (%s, %s, 0, 'ecg', 'uV', 1, 'arrival', 'strap')",
                (f"{person_id}-stream", session_id),
            )
            connection.execute(
                "insert into raw_event (stream_id, seq, time, arrival_idx, form, received_ns, n_samples, body)"
                " values (%s, 1, now(), 0, 'i2', 1, 1, '\\x00')",
                (f"{person_id}-stream",),
            )
            connection.execute(
                "insert into annotation (annotation_id, session_id, kind, text) values (%s, %s, 'note', 'calm')",
                (f"{person_id}-note", session_id),
            )
            connection.execute(
                "insert into device (device_id, person_id, agent_id, name, kinds)"
                " values (%s, %s, 'one', 'strap', '{}')",
                (f"{person_id}-device", person_id),
            )
            connection.execute(
                "insert into beat (session_id, pipeline_version, source, beat_idx, t_ns, emitted_ns, flag)"
                " values (%s, '1', 'ecg', 0, 1, 1, 'ok')",
                (session_id,),
            )
    return database_url


def seen(url: str, people: str | None, query: str) -> Any:
    with psycopg.connect(url, options=READER_OPTIONS) as connection:
        if people is not None:
            connection.execute("select set_config('becalm.people', %s, true)", (people,))
        return connection.execute(query.encode()).fetchall()


@pytest.mark.parametrize("table", ["session", "stream", "beat", "raw_event", "annotation", "device"])
def test_each_table_shows_who_may_be_seen_and_else_nothing(two_people: str, table: str) -> None:
    counted = {whom: seen(two_people, whom, f"select count(*) from {table}")[0][0] for whom in (None, "", "ann", "*")}
    assert counted == {None: 0, "": 0, "ann": 1, "*": 2}
    assert seen(two_people, "ann,ben", f"select count(*) from {table}")[0][0] == 2


@pytest.mark.parametrize("table", LARGE)
def test_large_tables_are_closed_behind_their_views(two_people: str, table: str) -> None:
    with pytest.raises(psycopg.errors.InsufficientPrivilege):
        seen(two_people, "*", f"select * from public.{table}")


def test_the_reader_changes_nothing_and_knows_no_accounts(two_people: str) -> None:
    refused = ("delete from session", "update stream set kind = 'rr'", "select * from account", "table access_device")
    for statement in refused:
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            seen(two_people, "*", statement)


def test_every_table_about_a_session_is_protected(two_people: str) -> None:
    with psycopg.connect(two_people) as connection:
        rows = connection.execute(
            "select distinct table_name from information_schema.columns"
            " join information_schema.tables using (table_schema, table_name)"
            " where table_schema = 'public' and table_type = 'BASE TABLE'"
            " and column_name in ('session_id', 'stream_id', 'stream_no')"
        ).fetchall()
        found = {name for (name,) in rows} - set(LARGE)
        forced = connection.execute("select relname from pg_class where relforcerowsecurity").fetchall()
    assert len(found) > 10
    assert found <= {name for (name,) in forced}


async def test_the_archive_reads_for_a_request_as_the_reader(two_people: str) -> None:
    async with open_archive(two_people) as archive:

        async def found(people: Iterable[str] | None, *, is_request: bool = True) -> list[str]:
            if is_request:
                see(people)
            return sorted(record.session_id[0] for record in await archive.session_page(**WISH))

        assert await in_own_context(found, None) == ["a", "b"]
        assert await in_own_context(found, ["ann"]) == ["a"]
        assert await in_own_context(found, []) == []
        assert await found(None, is_request=False) == ["a", "b"]


WISH = dict.fromkeys(("people", "before", "since", "source", "ended", "after_created_at", "after_session_id"), None) | {
    "limit": 10
}


async def in_own_context(function: Callable[..., Any], people: Any) -> Any:
    return await asyncio.get_running_loop().create_task(function(people), context=contextvars.copy_context())
