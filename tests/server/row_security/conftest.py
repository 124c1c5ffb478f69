"""A database with two people in it, and the entrances to it."""

from typing import Any

import psycopg
import pytest

from becalm_server.archive.entrances import open_entrances
from becalm_server.archive.roles import role_names
from becalm_server.archive.row_security import (
    SET_FOR_WHOM,
    ForWhom,
)

PEOPLE = {"ann": "a" * 32, "ben": "b" * 32}


@pytest.fixture
def database_url(own_roles_url: str) -> str:
    """Roles are what is tried here."""
    return own_roles_url


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


def entered(url: str, role: str, query: str, *, people: str | None = None, person: str = "", account: str = "") -> Any:
    """Rows of a query, as one of the server's roles; `people` None: nobody said for whom."""
    with psycopg.connect(getattr(open_entrances(url), role)) as connection:
        if people is not None:
            for_whom = ForWhom(people=frozenset(people.split(",")), person_id=person, account_id=account)
            connection.execute(SET_FOR_WHOM, for_whom.settings())
        cursor = connection.execute(query.encode())
        return cursor.fetchall() if cursor.description else []


def role_of(url: str, role: str) -> str:
    """What a role is called in this database."""
    with psycopg.connect(url) as connection:
        return role_names(connection)[role]


def count(url: str, people: str | None, table: str, **more: str) -> int:
    return int(entered(url, "caller", f"select count(*) from {table}", people=people, **more)[0][0])
