"""Retry loops that end when they are told to."""

import asyncio


def raise_if_cancelled() -> None:
    """Raise CancelledError where the running task was asked to end.

    Before Python 3.13 a TaskGroup that is cancelled while one of its tasks fails raises the failure alone. A loop that
    handles the failure and tries again would never end: call this once in every turn of such a loop. The group must
    wait in its body, not only for its tasks: there the same versions leave a failure counted as a request to end.
    """
    task = asyncio.current_task()
    if task is not None and task.cancelling():
        raise asyncio.CancelledError
