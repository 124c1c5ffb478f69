"""How often somebody may knock, ask, fail and speak; each limit with its reason."""

import asyncio
import contextlib
import time
from collections import Counter
from collections.abc import Iterator
from http import HTTPStatus

from limits import RateLimitItemPerMinute, RateLimitItemPerSecond
from limits.storage import MemoryStorage
from limits.strategies import MovingWindowRateLimiter
from starlette.types import ASGIApp, Receive, Scope, Send

from becalm_server.problems import problem
from becalm_server.refusals import TooManyTriesError

# A page with a dozen curves asks for a hundred windows at once; a program that reads a whole archive some 200 a second.
REQUESTS = RateLimitItemPerSecond(4_000, 10)
# Two thousand agents behind one address that come back after a power cut are in within forty seconds.
HANDSHAKES = RateLimitItemPerSecond(600, 10)
# Somebody who mistypes takes five tries; a list of passwords takes thousands.
FAILURES_OF_ONE = RateLimitItemPerMinute(5)
FAILURES_FROM_ONE = RateLimitItemPerMinute(30)
# Many addresses with one list: as slow as four of them. The right one waits only as long as that goes on.
FAILURES_OF_NAME = RateLimitItemPerMinute(20)
# Enough to see in the audit log that somebody knocks, too few to fill it.
STRANGERS = RateLimitItemPerMinute(5)
# Heartbeats, subscriptions and changes of state: a handful a second; answers to them must not become work.
MESSAGES_PER_S = 100
_WINDOW_S = 10.0


class Trial:
    """A secret that is being checked."""

    is_wrong = False


class Pace:
    """Counts in this process's memory."""

    def __init__(self) -> None:
        self._limiter = MovingWindowRateLimiter(MemoryStorage())
        self._under_way: Counter[tuple[str, ...]] = Counter()
        """Checks that may yet turn out wrong: as many at once are no way past the limit."""

    def may_ask(self, scope_type: str, address: str) -> bool:
        """Count a request or a handshake of an address; tell whether it is within its limit."""
        return self._limiter.hit(REQUESTS if scope_type == "http" else HANDSHAKES, scope_type, address)

    def is_news(self, address: str) -> bool:
        """Tell whether one more stranger of an address is worth a word in the audit log."""
        return self._limiter.hit(STRANGERS, "stranger", address)

    @contextlib.contextmanager
    def trial(self, name: str, *, address: str | None, everywhere: bool = False) -> Iterator[Trial]:
        """Let a secret be checked inside the block; a wrong one counts against its name and address.

        `everywhere` counts the name over all addresses too. Raises TooManyTriesError.
        """
        counts: list[tuple[RateLimitItemPerMinute, tuple[str, ...]]]
        counts = [(FAILURES_OF_ONE, ("one", name, address or ""))]
        if address is not None:
            counts.append((FAILURES_FROM_ONE, ("from", address)))
        if everywhere:
            counts.append((FAILURES_OF_NAME, ("name", name)))
        for limit, key in counts:
            if self._limiter.get_window_stats(limit, *key).remaining <= self._under_way[key]:
                raise TooManyTriesError("Too many wrong tries. Wait, up to a minute, then try again.")
        keys, trial = Counter(key for _, key in counts), Trial()
        self._under_way += keys
        try:
            yield trial
        finally:
            self._under_way -= keys
            for limit, key in counts if trial.is_wrong else ():
                self._limiter.hit(limit, *key)


class Messages:
    """Counts the messages of one connection, on average over ten seconds."""

    def __init__(self) -> None:
        self._began_s = time.monotonic()
        self._n_heard = 0

    def is_too_many(self) -> bool:
        """Count one more; tell whether it is one too many."""
        now_s = time.monotonic()
        if now_s - self._began_s > _WINDOW_S:
            self._began_s, self._n_heard = now_s, 0
        self._n_heard += 1
        return self._n_heard > MESSAGES_PER_S * _WINDOW_S


class PaceGuard:
    """ASGI middleware: refuses who asks too often with 429, before anything is done for them."""

    def __init__(self, app: ASGIApp, *, pace: Pace) -> None:
        self._app = app
        self._pace = pace

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass on what comes at a reasonable pace."""
        if scope["type"] not in {"http", "websocket"} or self._pace.may_ask(scope["type"], address_of(scope)):
            await self._app(scope, receive, send)
            return
        answer = problem(HTTPStatus.TOO_MANY_REQUESTS, _DETAIL)
        if scope["type"] == "http":
            await answer(scope, receive, send)
            return
        kind = "websocket.http.response"
        await send({"type": f"{kind}.start", "status": answer.status_code, "headers": answer.raw_headers})
        await send({"type": f"{kind}.body", "body": answer.body})
        while (await receive())["type"] != "websocket.disconnect":
            pass
        await asyncio.sleep(0)  # the connection is closed: until it is gone, Uvicorn says that nothing was answered


_DETAIL = "Too many requests from this address. Wait ten seconds, then go on more slowly."


def address_of(scope: Scope) -> str:
    """Return the network address of whoever asks."""
    client = scope.get("client")
    return str(client[0]) if client else "unknown"
