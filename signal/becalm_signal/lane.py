"""One sampled stream on its way into its stage: order, repeats and holes of its blocks, and its newest time."""

from collections.abc import Sequence

from becalm_protocol.events import Clock, Gap, SampleBlock, StreamInfo, StreamState
from becalm_protocol.handshake import Waveform
from becalm_protocol.units import NS_PER_MS, NS_PER_S
from becalm_signal.clock import clock_for
from becalm_signal.stage import STALE_NS, Output, Stage

# Shorter holes are bridged by a straight line (a QRS hidden in one is 60-100 ms wide: its neighbours still stand).
MAX_BRIDGE_NS = 150 * NS_PER_MS
# A hole longer than this is no stretch of session to fill with withheld values.
MAX_FILLED_NS = 900 * NS_PER_S
# Positions that run backwards are repeats, unless they go on doing so: then the sensor counts from zero again.
MAX_REPEATED_S = 2.0


class Lane:
    """A stream's clock, its next expected position and its stage (None: drawn only)."""

    def __init__(self, info: StreamInfo, stage: Stage | None) -> None:
        self.info = info
        self.clock = clock_for(info)
        self.rate_hz = info.sample_rate_hz or 1.0
        self.watermark_ns: int | None = None
        """Session time of the newest sample, or of the known end of a gap."""
        self.began_ns: int | None = None
        self.resumed_ns: int | None = None
        """Where the newest hole too long to fill ends."""
        self.waited_for = info.clock is Clock.SESSION
        """Whether a tick waits for this stream: recordings always, live streams from their first block on."""
        self._stage = stage
        self._next: int | None = None
        self._last_value = 0.0
        self._n_repeated = 0
        self._broken = False

    def feed(self, block: SampleBlock) -> tuple[list[Output], Waveform | None]:
        """Take a block; return what its stage says, and the samples to draw, if any are new."""
        counts = block.counts
        first = block.first_sample_idx
        if self._next is not None and first < self._next:
            n_known = self._next - first
            if n_known >= len(counts) and not self._counts_anew(len(counts)):
                return [], None
            if n_known >= len(counts):
                self._broken = True
            else:
                counts, first = counts[n_known:], self._next
        self._n_repeated = 0
        before_ns = self.watermark_ns
        scale = self.info.unit_per_count
        samples = tuple([count * scale for count in counts])
        out = self._join(block, first, before_ns=before_ns, samples=samples)
        first_ns, last_ns = self.clock.session_ns(first), self.clock.session_ns(first + len(counts) - 1)
        self.watermark_ns = max(last_ns, before_ns or 0)
        if self.began_ns is None:
            self.began_ns = first_ns
        self.waited_for = True
        self._next = first + len(counts)
        self._last_value = samples[-1]
        return out, self._waveform(samples, first_ns=first_ns, last_ns=last_ns)

    def gap(self, gap: Gap) -> list[Output]:
        """Take a hole that the agent or a reader told of."""
        if gap.end_ns - gap.start_ns <= MAX_BRIDGE_NS or self._next is None:
            return []
        out = self._restart(gap.start_ns, emitted_ns=max(gap.end_ns, gap.start_ns))
        self._broken = True
        self.clock.restart()
        if self.watermark_ns is not None:
            self._resume(gap.end_ns, before_ns=self.watermark_ns)
            self.watermark_ns = max(self.watermark_ns, gap.end_ns)
        return out

    def status(self, state: StreamState) -> None:
        """Wait for this stream no longer, unless it streams."""
        if state is not StreamState.STREAMING:
            self.waited_for = False

    def is_stale(self, now_ns: int) -> bool:
        """Whether its newest sample is too old to be shown."""
        return self.watermark_ns is not None and now_ns - self.watermark_ns > STALE_NS

    def finish(self) -> list[Output]:
        """Give out the stage's tail."""
        return self._stage.finish(clock=self.clock) if self._stage is not None and self._next is not None else []

    # ---------------------------------------------------------------------------------------------------- joining
    def _counts_anew(self, n_samples: int) -> bool:
        self._n_repeated += n_samples
        return self._n_repeated > MAX_REPEATED_S * self.rate_hz

    def _join(self, block: SampleBlock, first: int, *, before_ns: int | None, samples: Sequence[float]) -> list[Output]:
        """Hand samples to the stage, after bridging a short hole or restarting over a long one."""
        missing = first - self._next if self._next is not None else 0
        hole_ns = missing * NS_PER_S / self.rate_hz
        broken = self._broken or hole_ns > MAX_BRIDGE_NS
        if broken:
            self.clock.restart()
        broken = not self.clock.accept(block) or broken
        self._broken = False
        out: list[Output] = []
        if broken and before_ns is not None:
            # A clock that begins anew may be behind the old one: what follows must not count before this.
            first_ns = self.clock.session_ns(first)
            self._resume(first_ns, before_ns=before_ns)
            out += self._restart(min(before_ns, first_ns), emitted_ns=first_ns)
        elif missing > 0 and not broken:
            step = (samples[0] - self._last_value) / (missing + 1)
            bridge = [self._last_value + step * (k + 1) for k in range(missing)]
            samples, first = [*bridge, *samples], first - missing
        if self._stage is not None:
            out += self._stage.feed(samples, first=first, clock=self.clock)
        return out

    def _resume(self, t_ns: int, *, before_ns: int) -> None:
        if t_ns - before_ns > MAX_FILLED_NS:
            self.resumed_ns = t_ns

    def _restart(self, t_ns: int, *, emitted_ns: int) -> list[Output]:
        return self._stage.restart(t_ns=t_ns, emitted_ns=emitted_ns) if self._stage is not None else []

    def _waveform(self, samples: tuple[float, ...], *, first_ns: int, last_ns: int) -> Waveform:
        period_ns = (last_ns - first_ns) / (len(samples) - 1) if len(samples) > 1 else 0.0
        return Waveform(
            stream_id=self.info.stream_id,
            kind=self.info.kind,
            t_ns=first_ns,
            sample_period_ns=period_ns if period_ns > 0.0 else NS_PER_S / self.rate_hz,
            values=samples,
        )
