"""Who is remembered for when the database is away: nobody that it would not let in."""

from dataclasses import replace
from typing import cast

import pytest

from becalm_server.access import visitors as visitors_module
from becalm_server.access.caller import Caller, Role
from becalm_server.access.identities import Identities
from becalm_server.access.visitors import Visitors

KEY = b"what it showed"
CLINICIAN = Caller(
    account_id="a", role=Role.CLINICIAN, person_id=None, granted=frozenset({"p"}), device_id="d", has_password=True
)


class Database:
    """Knows callers as they stand now."""

    def __init__(self) -> None:
        self.now: Caller | None = CLINICIAN

    async def renewed(self, caller: Caller) -> Caller | None:
        assert caller == CLINICIAN
        return self.now


@pytest.fixture
def database() -> Database:
    return Database()


@pytest.fixture
def visitors(database: Database) -> Visitors:
    return Visitors(cast(Identities, database))


def come(visitors: Visitors, caller: Caller = CLINICIAN, *, key: bytes = KEY) -> None:
    with visitors.inside(caller, key=key, send_away=lambda: None):
        assert visitors.remembered(key) == (caller if caller.device_id else None)


def test_who_left_is_remembered_by_what_it_showed_alone(visitors: Visitors) -> None:
    come(visitors)
    assert visitors.remembered(KEY) == CLINICIAN
    assert visitors.remembered(b"another agent with its token") is None


def test_a_login_is_not_remembered(visitors: Visitors) -> None:
    come(visitors, replace(CLINICIAN, device_id=None, login_id="l"))
    assert visitors.remembered(KEY) is None


def test_nobody_is_remembered_for_long(visitors: Visitors, monkeypatch: pytest.MonkeyPatch) -> None:
    come(visitors)
    monkeypatch.setattr(visitors_module, "REMEMBER_NS", 0)
    assert visitors.remembered(KEY) is None


def test_so_many_are_remembered(visitors: Visitors, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(visitors_module, "MAX_REMEMBERED", 2)
    for key in (b"1", b"2", b"1", b"3"):
        come(visitors, key=key)
    assert [visitors.remembered(key) is None for key in (b"1", b"2", b"3")] == [False, True, False]


@pytest.mark.parametrize("named", ["account_id", "device_id"])
def test_who_is_sent_away_is_forgotten(visitors: Visitors, named: str) -> None:
    come(visitors)
    with visitors.inside(CLINICIAN, key=KEY, send_away=lambda: None):
        visitors.send_away(**{named: getattr(CLINICIAN, named)})
        assert visitors.remembered(KEY) is None
    assert visitors.remembered(KEY) is None


@pytest.mark.parametrize("now", [None, replace(CLINICIAN, granted=frozenset())], ids=["revoked", "grant ran out"])
async def test_what_changed_since_somebody_left_is_noticed(
    visitors: Visitors, database: Database, now: Caller | None
) -> None:
    come(visitors)
    await visitors.look_again()
    assert visitors.remembered(KEY) == CLINICIAN
    database.now = now
    await visitors.look_again()
    assert visitors.remembered(KEY) is None


async def test_who_is_found_changed_inside_is_not_let_in_by_an_earlier_visit(
    visitors: Visitors, database: Database
) -> None:
    sent_away = []
    come(visitors)
    with visitors.inside(CLINICIAN, key=KEY, send_away=lambda: sent_away.append(True)):
        database.now = None
        await visitors.look_again()
    assert sent_away
    assert visitors.remembered(KEY) is None
