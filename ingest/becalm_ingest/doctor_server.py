"""The server: does it answer, is it well, does its clock agree?"""

import json
import time
import urllib.error
import urllib.request
from email.utils import parsedate_to_datetime
from http.client import HTTPException
from typing import Any

from becalm_ingest.doctor_finding import Finding, Verdict
from becalm_protocol.events import value

_ANSWER_WITHIN_S = 5.0
# Session time does not depend on the wall clock, but the dates of recordings do; people notice from here on.
_CLOCKS_AGREE_WITHIN_S = 2.0
# The header counts whole seconds and is made anew once a second: it is 0 to 2 s old.
_DATE_LAG_S = 1.0
_MAX_ANSWER_BYTES = 100_000


@value
class _Health:
    """The server's answer, and how far its clock is ahead of ours."""

    told: dict[str, Any]
    ahead_s: float | None
    unsure_s: float


def examine(server_url: str, *, token: str | None = None) -> tuple[Finding, ...]:
    """Ask the server how it is."""
    try:
        health = _ask(server_url, token=token)
    except urllib.error.HTTPError as exc:
        with exc:
            return (_refused(server_url, status=exc.code),)
    except (OSError, ValueError, HTTPException) as exc:
        found = f"no becalm server answers at {server_url} ({_reason(exc)})"
        advice = "Start it: becalm serve; for another machine give --server http://HOST:PORT"
        return (Finding(subject="server", verdict=Verdict.BAD, found=found, advice=advice),)
    return _state(server_url, health), _clock(health)


def _state(server_url: str, health: _Health) -> Finding:
    trouble = health.told.get("trouble")
    return Finding(
        subject="server",
        verdict=Verdict.NOTE if trouble else Verdict.GOOD,
        found=f"becalm {health.told.get('version', 'of an unknown version')} at {server_url}",
        advice=f"The server says: {trouble}; the agent keeps everything until it is well" if trouble else None,
    )


def _clock(health: _Health) -> Finding:
    if health.ahead_s is None:
        return Finding(subject="clock", verdict=Verdict.NOTE, found="the server does not tell its time")
    agrees = abs(health.ahead_s) <= _CLOCKS_AGREE_WITHIN_S + health.unsure_s
    side = "ahead" if health.ahead_s > 0 else "behind"
    return Finding(
        subject="clock",
        verdict=Verdict.GOOD if agrees else Verdict.NOTE,
        found=f"the server's is {abs(health.ahead_s):.1f} s {side} (+-{health.unsure_s:.1f} s)",
        advice=None
        if agrees
        else "Signals are timed by their own clock, but recordings get a wrong date: switch automatic time on, on both",
    )


def _refused(server_url: str, *, status: int) -> Finding:
    if status not in (401, 403):
        found = f"what answers at {server_url} is no becalm server (status {status})"
        return Finding(subject="server", verdict=Verdict.BAD, found=found, advice="Give its address with --server")
    return Finding(
        subject="server",
        verdict=Verdict.BAD,
        found=f"the server at {server_url} does not know this device",
        advice="There: becalm invite --role agent; here: becalm pair, which asks for the link",
    )


def _reason(exc: Exception) -> str:
    cause = getattr(exc, "reason", exc)
    return str(getattr(cause, "strerror", None) or cause)[:100]


def _ask(server_url: str, *, token: str | None) -> _Health:
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))  # it stands in the same house
    asked_s = time.time()
    request = urllib.request.Request(f"{server_url.rstrip('/')}/v1/health")  # noqa: S310  (http and https only)
    if token is not None:
        request.add_unredirected_header("Authorization", f"Bearer {token}")
    with opener.open(request, timeout=_ANSWER_WITHIN_S) as answer:
        told = json.loads(answer.read(_MAX_ANSWER_BYTES))
        date = answer.headers.get("Date")
    answered_s = time.time()
    if not isinstance(told, dict) or "version" not in told:
        raise ValueError("something else answers there")
    half_trip_s = (answered_s - asked_s) / 2
    ahead_s = parsedate_to_datetime(date).timestamp() + _DATE_LAG_S - (asked_s + half_trip_s) if date else None
    return _Health(told=told, ahead_s=ahead_s, unsure_s=_DATE_LAG_S + half_trip_s)
