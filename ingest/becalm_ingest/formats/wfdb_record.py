"""A WFDB record (PhysioNet): header and signal files, digital values kept as they are. Annotations are not played."""

from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import BinaryIO

from becalm_ingest.formats.binary_file import opened
from becalm_ingest.formats.choosing import Chosen, Found
from becalm_ingest.formats.sampled import Frame, Piece
from becalm_ingest.formats.strip import INVALID
from becalm_ingest.formats.wfdb_codes import CODES, Code
from becalm_ingest.formats.wfdb_header import SignalLine, read_header
from becalm_protocol import limits
from becalm_protocol.events import value
from becalm_protocol.units import NS_PER_S

# Samples are read in groups that end at whole bytes in every storage format: two and three samples share some bytes.
_FRAMES_AT_ONCE = 6 * 256


@value
class _Group:
    """The signals that lie interleaved in one file."""

    path: Path
    code: Code
    skip_bytes: int
    lines: tuple[tuple[int, SignalLine], ...]
    """(position in the header, signal)."""

    @property
    def n_per_frame(self) -> int:
        """Samples of all its signals in a frame."""
        return sum(line.n_per_frame for _, line in self.lines)


class WfdbRecord:
    """A WFDB record by its header, or by its signal file where the header is beside it."""

    def __init__(self, path: Path) -> None:
        self.problem: str | None = None
        self.warnings: tuple[str, ...] = ()
        self._header = read_header(path.with_suffix(".hea"))
        self._groups = _grouped(path.parent, self._header.signals)
        rate_hz = self._header.frame_rate_hz
        self.found = tuple(
            Found(
                label=line.label,
                unit=line.unit,
                sample_rate_hz=rate_hz * line.n_per_frame,
                unit_per_count=1.0 / abs(line.gain),
            )
            for line in self._header.signals
        )

    def frames(self, chosen: Sequence[Chosen]) -> Iterator[Frame]:
        """Read all files side by side."""
        self.problem = None
        places = {one.idx: n for n, one in enumerate(chosen)}
        groups = [group for group in self._groups if any(idx in places for idx, _ in group.lines)]
        with ExitStack() as stack:
            files = [stack.enter_context(opened(group.path)) for group in groups]
            for file, group in zip(files, groups, strict=True):
                file.seek(group.skip_bytes)
            n_frames = 0
            while (n_asked := self._n_asked(n_frames)) > 0:
                parts = [_read(file, group, n_frames=n_asked) for file, group in zip(files, groups, strict=True)]
                n_read = min(len(part) // group.n_per_frame for part, group in zip(parts, groups, strict=True))
                pieces = [
                    piece
                    for part, group in zip(parts, groups, strict=True)
                    for piece in _pieces(part, group, n_frames=n_read, places=places)
                ]
                n_frames += n_read
                yield Frame(end_ns=n_frames * NS_PER_S / self._header.frame_rate_hz, pieces=tuple(pieces))
                if n_read < n_asked:
                    self._end_early(n_frames)
                    return

    def _n_asked(self, n_done: int) -> int:
        total = self._header.n_frames
        return _FRAMES_AT_ONCE if total is None else min(_FRAMES_AT_ONCE, total - n_done)

    def _end_early(self, n_frames: int) -> None:
        if self._header.n_frames is not None:
            self.problem = f"the signals end after {n_frames} of {self._header.n_frames} samples; what is there is used"


def _grouped(folder: Path, lines: Sequence[SignalLine]) -> tuple[_Group, ...]:
    groups: dict[str, list[tuple[int, SignalLine]]] = {}
    for idx, line in enumerate(lines):
        groups.setdefault(line.file_name, []).append((idx, line))
    return tuple(
        _Group(path=folder / name, code=CODES[own[0][1].code], skip_bytes=own[0][1].skip_bytes, lines=tuple(own))
        for name, own in groups.items()
    )


def _read(file: BinaryIO, group: _Group, *, n_frames: int) -> Sequence[int]:
    """Return the samples of some frames, as many as there are."""
    code = group.code
    n_samples = n_frames * group.n_per_frame
    data = file.read(-(-n_samples // code.n_samples) * code.n_bytes)
    odd = len(data) % code.n_bytes
    # Two bytes of a group that shares bytes hold its first sample.
    n_whole = len(data) // code.n_bytes * code.n_samples + (odd // 2 if code.n_samples > 1 else 0)
    return code.decode(data + bytes(-len(data) % code.n_bytes))[: min(n_samples, n_whole)]


def _pieces(part: Sequence[int], group: _Group, *, n_frames: int, places: dict[int, int]) -> Iterator[Piece]:
    step, start = group.n_per_frame, 0
    end = n_frames * step
    for idx, line in group.lines:
        if idx in places and n_frames:
            counts: Sequence[int] = part[start:end:step]
            if line.n_per_frame > 1:
                woven = [0] * (n_frames * line.n_per_frame)
                for k in range(line.n_per_frame):
                    woven[k :: line.n_per_frame] = part[start + k : end : step]
                counts = woven
            yield Piece(signal=places[idx], counts=_calibrated(counts, line, group.code))
        start += line.n_per_frame


def _calibrated(counts: Sequence[int], line: SignalLine, code: Code) -> Sequence[int]:
    """Return counts from physical zero, upright; what is missing or too large for 32 bits is marked."""
    sign = 1 if line.gain > 0 else -1
    invalid, baseline = code.invalid, line.baseline
    shifted = [INVALID if count == invalid else sign * (count - baseline) for count in counts]
    if code.n_bytes == 4 or abs(baseline) > limits.MAX_COUNT // 2:
        low, high = limits.MIN_COUNT, limits.MAX_COUNT
        return [count if low <= count <= high else INVALID for count in shifted]
    return shifted
