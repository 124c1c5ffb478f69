"""The streams of a laboratory network as one source: finds those that are wanted, keeps a supervisor for each."""

import asyncio
from collections.abc import Callable, Sequence

from becalm_ingest.formats.signals import Choice, recognise
from becalm_ingest.lsl import LslNetwork, LslSighting
from becalm_ingest.lsl_stream import LslStream
from becalm_ingest.session import Session
from becalm_protocol.handshake import SensorState

_LOOK_EVERY_S = 0.5
# A laboratory may stream dozens; more than this at once is a mistake.
_MAX_STREAMS = 8


class LslStreams:
    """A source of LSL streams."""

    def __init__(self, *, devices: Sequence[str], choices: Sequence[Choice] = ()) -> None:
        self.on_change: Callable[[], None] = lambda: None
        self._wanted = tuple(device.partition(":")[2].casefold() for device in devices)
        """Names, types or source identifiers; empty text: every stream whose type or name tells a signal of ours."""
        self._choices = tuple(choices)
        self._network: LslNetwork | None = None
        self._seen: dict[tuple[str, str, str, str], LslSighting] = {}
        self._streams: dict[tuple[str, str, str, str], LslStream] = {}
        self._session: Session | None = None
        self._never = asyncio.Event()

    @property
    def trouble(self) -> str | None:
        """What a person should know, in one sentence."""
        told = next((stream.trouble for stream in self._streams.values() if stream.trouble), None)
        if told is None and not any(stream.channels for stream in self._streams.values()):
            what = ", ".join(filter(None, self._wanted)) or "a signal we know"
            return (
                f"No LSL stream with {what} is on this network. Start it at its sender, or name it: --device lsl:NAME"
            )
        return told

    def sensors(self) -> tuple[SensorState, ...]:
        """How each signal of each stream is."""
        return tuple(state for stream in self._streams.values() for state in stream.states())

    async def begin(self, session: Session) -> None:
        """Read every stream into a session, those found later too."""
        self._session = session
        for stream in self._streams.values():
            stream.begin(session)

    async def end(self) -> None:
        """Stop reading."""
        self._session = None
        async with asyncio.TaskGroup() as group:
            for stream in self._streams.values():
                group.create_task(stream.end(), name=f"end {stream.label}")

    async def wait_finished(self) -> None:
        """Wait for ever: a laboratory never comes to an end."""
        await self._never.wait()

    async def run(self) -> None:
        """Look for the wanted streams, hold those found, until cancelled. Raises ConfigError without the library."""
        self._network = await asyncio.to_thread(LslNetwork)
        async with asyncio.TaskGroup() as group:
            while True:
                self._seen = {sighting.key: sighting for sighting in self._network.streams()}
                for key, sighting in self._seen.items():
                    if key not in self._streams and len(self._streams) < _MAX_STREAMS and self._is_wanted(sighting):
                        self._hold(sighting, group=group)
                await asyncio.sleep(_LOOK_EVERY_S)

    def _hold(self, sighting: LslSighting, *, group: asyncio.TaskGroup) -> None:
        taken = {stream.label for stream in self._streams.values()}
        label = sighting.name if sighting.name not in taken else f"{sighting.name} {len(taken) + 1}"
        stream = LslStream(
            sighting,
            label=label,
            choices=self._choices,
            find=lambda: self._seen.get(sighting.key),
            on_change=lambda: self.on_change(),
        )
        self._streams[sighting.key] = stream
        if self._session is not None:
            stream.begin(self._session)
        group.create_task(stream.run(), name=f"lsl {label}")
        self.on_change()

    def _is_wanted(self, sighting: LslSighting) -> bool:
        names = {sighting.name.casefold(), sighting.kind.casefold(), sighting.source_id.casefold()}
        if names & set(self._wanted):
            return True
        return "" in self._wanted and any(recognise(text) for text in (sighting.kind, sighting.name))
