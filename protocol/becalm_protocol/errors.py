"""One error tree, split by who must act.

BecalmError
 +-- DeviceDataError   the sensor sent something its specification does not allow
 +-- LinkError         the radio link failed; trying again may help
 +-- WireError         the network peer broke the protocol (carries the WebSocket close code)
 |    +-- UnknownTypeError   a message type this version does not know; readers may skip it
 +-- StorageError      the operator: database or disk
 +-- ConfigError       the operator: a setting (named)
 +-- RecordingError    the person who gave us a file we cannot read
 +-- UsageError        we: a call that breaks a contract
"""

from enum import IntEnum
from typing import Any

MAX_SHOWN_BYTES = 32


class CloseCode(IntEnum):
    """WebSocket close codes of the becalm wire."""

    RESTART = 1012
    OVERLOADED = 1013
    VERSION = 4400
    AUTH = 4401
    SCOPE = 4403
    FENCED = 4409
    TOO_BIG = 4413
    MALFORMED = 4422
    RATE = 4429


class BecalmError(Exception):
    """Base of every error raised on purpose. The message says what, expected, got and what to do."""

    def __reduce__(self) -> tuple[Any, ...]:
        """Let an error with fields travel from one process of ours to another."""
        return _remade, (type(self), self.args, vars(self))


class DeviceDataError(BecalmError):
    """A notification does not follow its specification.

    `device` names the family, `data` the first bytes received.
    """

    def __init__(self, problem: str, *, device: str, data: bytes) -> None:
        self.problem = problem
        self.device = device
        self.data = bytes(data[:MAX_SHOWN_BYTES])
        super().__init__(f"{device}: {problem}; got {self.data.hex(' ') or 'no bytes'}")


class LinkError(BecalmError):
    """The radio link failed; a retry may help. `advice` is what the person can do."""

    def __init__(self, problem: str, *, advice: str) -> None:
        self.problem = problem
        self.advice = advice
        super().__init__(f"{problem}. {advice}")


class WireError(BecalmError):
    """The peer broke the wire protocol; the connection is closed with `close_code`."""

    def __init__(self, problem: str, *, close_code: CloseCode = CloseCode.MALFORMED) -> None:
        self.problem = problem
        self.close_code = close_code
        super().__init__(problem)


class UnknownTypeError(WireError):
    """A message type this version does not know."""


class StorageError(BecalmError):
    """The database or the disk refused; the operator must act."""


class ConfigError(BecalmError):
    """A setting is unusable; `setting` names it."""

    def __init__(self, problem: str, *, setting: str) -> None:
        self.setting = setting
        super().__init__(f"{setting}: {problem}")


class RecordingError(BecalmError):
    """A recording file cannot be read as it stands; `path` names it."""

    def __init__(self, problem: str, *, path: str) -> None:
        self.path = path
        super().__init__(f"{path}: {problem}")


class UsageError(BecalmError):
    """A caller inside becalm broke a contract."""


def _remade(kind: type[BecalmError], words: tuple[Any, ...], fields: dict[str, Any]) -> BecalmError:
    error = kind.__new__(kind, *words)
    vars(error).update(fields)
    return error
