"""BITalino (r)evolution and PLUX boards over Bluetooth Low Energy: up to four channels, wired as the person says.

The board sends no time. Frames are numbered 0 to 15; how many are missing is told by the number and, for whole rounds,
by the arrival. A recording has its channels in the order of its streams, so it is read again without the wiring.
"""

from collections.abc import Mapping
from functools import partial

from becalm_ingest.devices import bitalino_frames as frames
from becalm_ingest.devices.bitalino_frames import BoardState, Frame
from becalm_ingest.devices.bitalino_stream import FrameCount, FrameStream, Skipped
from becalm_ingest.devices.bitalino_wiring import DEFAULT_WIRING, TRANSFERS, Wiring
from becalm_ingest.devices.cursor import Cursor
from becalm_ingest.devices.family import Channel, Family, Write
from becalm_protocol import limits
from becalm_protocol.errors import MAX_SHOWN_BYTES, DeviceDataError, LinkError
from becalm_protocol.events import Battery, Dropped, RawEvent, SignalKind
from becalm_protocol.units import NS_PER_S

NAME = frames.NAME
SERVICE_UUID = "c566488a-0882-4e1b-a6d0-0b717e652234"
COMMAND_UUID = "4051eb11-bf0a-4c74-8730-a48f4193fcea"
FRAMES_UUID = "40fdba6b-672e-47c4-808a-e529adff3633"

# Half the battery is measured against 3.3 V in 10 bits. The board warns at 3.4 V at the earliest, and is full at 4.2 V:
# the share between is an estimate, flat in the middle as every lithium cell is.
_BATTERY_V_PER_COUNT = 2 * 3.3 / 1_024
_EMPTY_V, _FULL_V = 3.4, 4.2


class Conversation:
    """One connection: frames found in the bytes, counted, and laid out in one stream for each channel."""

    def __init__(self, cursors: Mapping[SignalKind, Cursor], *, wiring: Wiring = DEFAULT_WIRING) -> None:
        self.n_answers = 0
        self.refusal: LinkError | None = None
        kinds = list(cursors)[: frames.MAX_CHANNELS]
        self._cursors = [cursors[kind] for kind in kinds]
        self._zeros = [TRANSFERS[kind].zero_count if kind in TRANSFERS else 0 for kind in kinds]
        self._wiring = wiring
        self._rate_hz = self._cursors[0].sample_rate_hz or 1.0
        self._frame_bytes = frames.frame_bytes(len(self._cursors))
        self._stream = FrameStream(len(self._cursors))
        self._count = FrameCount(self._rate_hz)
        self._newest = (b"", 0)

    def start(self) -> tuple[Write, ...]:
        """Return the commands that end what goes on, ask for the battery, set the rate and start the channels."""
        commands = (
            frames.IDLE,
            frames.ASK_STATE,
            frames.set_rate(self._wiring.rate_hz),
            frames.start(self._wiring.channels),
        )
        return tuple(Write(uuid=COMMAND_UUID, data=data, expects_answer=False) for data in commands)

    def stop(self) -> tuple[Write, ...]:
        """Return the command that stops the channels; without it the board sends until it is empty."""
        return (Write(uuid=COMMAND_UUID, data=frames.STOP, expects_answer=False),)

    def parse(self, data: bytes, *, channel: str, received_ns: int) -> tuple[RawEvent, ...]:
        """Return the samples of the frames that `data` completes; what is no frame becomes a Dropped."""
        del channel  # there is one
        events: list[RawEvent] = []
        run: list[Frame] = []
        n_missing: int | None = None
        if self._is_again(data, received_ns=received_ns):
            return (self._dropped("expected each notification once", data, received_ns=received_ns),)
        for item in self._stream.feed(data):
            if isinstance(item, BoardState):
                events.append(self._battery(item, received_ns=received_ns))
                continue
            if isinstance(item, Skipped):
                events.append(self._dropped("expected frames whose check is right", item.data, received_ns=received_ns))
                continue
            n_missing_here = self._count.take(item.sequence, received_ns=received_ns)
            if n_missing_here or len(run) == limits.MAX_SAMPLES_PER_BLOCK:
                events.extend(self._blocks(run, n_missing=n_missing, received_ns=received_ns))
                run = []
            if not run:
                n_missing = n_missing_here
            run.append(item)
        return (*events, *self._blocks(run, n_missing=n_missing, received_ns=received_ns))

    def _is_again(self, data: bytes, *, received_ns: int) -> bool:
        """Tell whether a notification was delivered twice: the same bytes, sooner than new frames could be there."""
        (before, before_ns), self._newest = self._newest, (data, received_ns)
        lasts_ns = len(data) / self._frame_bytes * NS_PER_S / self._rate_hz
        return data == before and received_ns - before_ns < lasts_ns / 2

    def _blocks(self, run: list[Frame], *, n_missing: int | None, received_ns: int) -> tuple[RawEvent, ...]:
        if not run:
            return ()
        columns = zip(*(frame.analog for frame in run), strict=True)
        return tuple(
            event
            for cursor, zero_count, column in zip(self._cursors, self._zeros, columns, strict=True)
            for event in cursor.block(
                tuple(count - zero_count for count in column), received_ns=received_ns, n_missing=n_missing
            )
        )

    def _battery(self, state: BoardState, *, received_ns: int) -> Battery:
        volts = state.battery_count * _BATTERY_V_PER_COUNT
        level_pct = round(100 * min(1.0, max(0.0, (volts - _EMPTY_V) / (_FULL_V - _EMPTY_V))))
        return Battery(stream_id=self._cursors[0].stream_id, received_ns=received_ns, level_pct=level_pct)

    def _dropped(self, problem: str, data: bytes, *, received_ns: int) -> Dropped:
        told = str(DeviceDataError(problem, device=NAME, data=data[:MAX_SHOWN_BYTES]))
        return Dropped(stream_id=self._cursors[0].stream_id, received_ns=received_ns, problem=told)


def family(wiring: Wiring) -> Family:
    """Return the family for boards that are wired so."""
    return Family(
        name=NAME,
        service_uuid=SERVICE_UUID,
        advertised_uuids=(SERVICE_UUID,),
        name_prefixes=("BITalino", "SIM-BOARD"),
        streams=wiring.streams,
        channels=(Channel(name="frames", uuids=(FRAMES_UUID,)),),
        converse=partial(Conversation, wiring=wiring),
    )


FAMILY = family(DEFAULT_WIRING)
