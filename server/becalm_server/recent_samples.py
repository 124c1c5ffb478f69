"""The last minutes of one slow signal on a coarse grid: breathing or skin conductance, for the slow lane."""

import math
from array import array

from becalm_protocol.events import SignalKind
from becalm_protocol.handshake import Waveform
from becalm_protocol.units import NS_PER_S
from becalm_signal.neurokit_signals import RawSignal

# Breathing and skin conductance hold nothing above 3 Hz that NeuroKit2's cleaning would keep.
GRID_HZ = 16
CELL_NS = NS_PER_S // GRID_HZ
MAX_S = 300


class RecentSamples:
    """A ring of cells, each the mean of its samples; a cell without a sample is NaN. Bounded: 38 kB."""

    def __init__(self, stream_id: str) -> None:
        self._stream_id = stream_id
        self._cells = array("d", [math.nan]) * (MAX_S * GRID_HZ)
        self._newest = 0
        """Number of the cell being filled."""
        self._sum, self._n = 0.0, 0

    def feed(self, waveform: Waveform) -> None:
        """Take samples of the stream; those of another stream of the same kind, and repeats, are left out."""
        if waveform.stream_id != self._stream_id:
            return
        for k, sample in enumerate(waveform.values):
            cell = int(waveform.t_ns + k * waveform.sample_period_ns) // CELL_NS
            if cell > self._newest:
                self._begin(cell)
            if cell == self._newest and math.isfinite(sample):
                self._sum, self._n = self._sum + sample, self._n + 1
                self._cells[cell % len(self._cells)] = self._sum / self._n

    def between(self, start_ns: int, end_ns: int, *, kind: SignalKind) -> RawSignal | None:
        """Return the cells from a time on, None where none of them holds a sample."""
        first, last = start_ns // CELL_NS, end_ns // CELL_NS
        kept = range(self._newest - len(self._cells) + 1, self._newest + 1)
        cells = [self._cells[n % len(self._cells)] if n in kept else math.nan for n in range(first, last)]
        if all(math.isnan(cell) for cell in cells):
            return None
        return RawSignal(kind=kind, sample_rate_hz=float(GRID_HZ), unit_per_count=1.0, counts=cells)

    def _begin(self, cell: int) -> None:
        size = len(self._cells)
        for n in range(max(self._newest + 1, cell - size + 1), cell + 1):
            self._cells[n % size] = math.nan
        self._newest, self._sum, self._n = cell, 0.0, 0
