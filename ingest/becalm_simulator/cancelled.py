"""Our own cancellation, beside Bumble's.

Bumble raises CancelledError at a disconnection, and waits with `asyncio.wait_for`, which before Python 3.12 swallows a
cancellation that meets the answer. So ask the task itself.
"""

import asyncio


def is_being_cancelled() -> bool:
    """Tell whether the running task was asked to end, or is past the limit it waits within."""
    task = asyncio.current_task()
    return task is not None and task.cancelling() > 0


def raise_if_cancelled() -> None:
    """Raise the CancelledError that Bumble may have swallowed: call after waiting for Bumble."""
    if is_being_cancelled():
        raise asyncio.CancelledError
