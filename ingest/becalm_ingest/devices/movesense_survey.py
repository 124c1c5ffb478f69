"""Which streams has this very Movesense sensor? Firmware and models differ: each is started once, and stopped again."""

from dataclasses import replace

from becalm_ingest.devices.family import Family, Write
from becalm_ingest.devices.movesense_packets import ANSWER, HELLO, NAME, OK_BELOW, parse_answer
from becalm_ingest.devices.movesense_resources import HELLO_REF, command, subscribe, unsubscribe, wanted
from becalm_protocol.errors import DeviceDataError, LinkError


class Survey:
    """Asks for the streams of `family`, one after the other."""

    def __init__(self, family: Family) -> None:
        self.n_answers = 0
        self.refusal: LinkError | None = None
        self.reads: tuple[str, ...] = ()
        self._family = family
        self._resources = wanted([template.kind for template in family.streams])
        self._has_answered: set[int] = set()
        self._offered: set[int] = set()

    def take(self, uuid: str, data: bytes) -> None:
        """Take nothing: there is nothing to read."""
        raise DeviceDataError(f"expected no characteristic to be read, got {uuid}", device=NAME, data=data)

    def questions(self) -> tuple[Write, ...]:
        """Return a greeting, then start and stop of each stream."""
        tries = [
            write
            for resource in self._resources
            for write in (subscribe(resource), unsubscribe(resource, expects_answer=True))
        ]
        return (command(HELLO, ref=HELLO_REF), *tries)

    def parse(self, data: bytes, *, channel: str) -> None:
        """Take an answer; packets of a stream under trial say nothing."""
        del channel  # there is one
        if data and data[0] != ANSWER:
            return
        answer = parse_answer(data, hello_ref=HELLO_REF)
        self.n_answers += 1
        if answer.ref not in self._has_answered and answer.status < OK_BELOW:
            self._offered.add(answer.ref)
        self._has_answered.add(answer.ref)  # the second answer is that of the stop

    def found(self) -> Family:
        """Return the family with the streams that were let start."""
        kinds = {kind for resource in self._resources if resource.ref in self._offered for kind in resource.kinds}
        return replace(self._family, streams=tuple(t for t in self._family.streams if t.kind in kinds))
