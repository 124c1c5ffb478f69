"""A state brings a pipeline back to where it was, and an unpickler that makes nothing else."""

import os
import pickle
import zlib
from typing import Any

import pytest
from tests.server.test_real_pipeline import BELT, ECG, recording

from becalm_protocol.errors import StorageError
from becalm_server.live_state import StateCodec
from becalm_signal.fingerprint import events_sha256
from becalm_signal.pipeline import Pipeline


def test_unpacked_pipeline_goes_on_like_the_one_that_was_packed() -> None:
    codec = StateCodec(Pipeline)
    events = [message.event for message in recording()]
    pipeline: Any = Pipeline((ECG, BELT))
    for event in events[:37]:
        pipeline.feed(event)
    told = []
    for one in (codec.unpack(codec.pack(pipeline)), pipeline):
        derived = [item for event in events[37:] for item in one.feed(event)] + list(one.finish())
        told.append(events_sha256(item for item in derived if hasattr(item, "emitted_ns")))
    assert told[0] == told[1]


class Evil:
    def __init__(self, call: Any, *arguments: Any) -> None:
        self._reduced = (call, arguments)

    def __reduce__(self) -> Any:
        return self._reduced


@pytest.mark.parametrize(
    "evil",
    [
        Evil(os.system, "true"),
        Evil(eval, "1"),
        Evil(getattr, "", "upper"),
        Evil(events_sha256, ()),  # ours, and a function
        Evil(pickle.loads, b""),
    ],
)
def test_nobody_elses_code_is_called(evil: Evil) -> None:
    body = zlib.compress(pickle.dumps(evil))
    with pytest.raises(StorageError, match="UnpicklingError"):
        StateCodec(Pipeline).unpack(body)


@pytest.mark.parametrize("body", [b"", b"nonsense", zlib.compress(b""), zlib.compress(b"\x80\x05.")])
def test_odd_bytes_are_refused(body: bytes) -> None:
    with pytest.raises(StorageError, match="live state"):
        StateCodec(Pipeline).unpack(body)


def test_dotted_names_do_not_lead_outside() -> None:
    body = zlib.compress(b"\x80\x04\x8c\x18becalm_signal.pipeline\x8c\x04\x00.")
    with pytest.raises(StorageError):
        StateCodec(Pipeline).unpack(body)
    for name in ("heapq.os.system", "Ticker.__init__"):
        module = b"becalm_signal.ticks"
        stream = (
            b"\x80\x04\x8c" + bytes([len(module)]) + module + b"\x8c" + bytes([len(name)]) + name.encode() + b"\x93."
        )
        with pytest.raises(StorageError):
            StateCodec(Pipeline).unpack(zlib.compress(stream))
