"""One sampled stream on its way into its stage: order, repeats and holes of its blocks, and its newest time."""

import math
from collections.abc import Iterator, Sequence
from itertools import groupby

from becalm_protocol.derived import Beat
from becalm_protocol.events import Clock, Gap, SampleBlock, SignalKind, StreamInfo, StreamState
from becalm_protocol.handshake import Waveform
from becalm_protocol.units import NS_PER_MS, NS_PER_S
from becalm_signal.clock import clock_for
from becalm_signal.lane_held import Held, without_rates
from becalm_signal.lane_past import PAST_S, Past, since_lost
from becalm_signal.packet_clock import RATE_LIMIT
from becalm_signal.ppg import LIGHTS
from becalm_signal.stage import STALE_NS, Output, Stage

# Shorter holes are bridged by a straight line (a QRS hidden in one is 60-100 ms wide: its neighbours still stand).
MAX_BRIDGE_NS = 150 * NS_PER_MS
# A chest takes 2 to 15 s for a breath: a line over a second moves a turn by half of that at most, which shows as uneven
# breaths, and so in the bound of their rate.
MAX_BREATH_BRIDGE_NS = NS_PER_S
# Sweat takes half a second and more to rise (Boucsein 2012): its line over less than that is straight, and 4 Hz
# may lose a sample. A jerk of 0.06 to 0.1 uS within may look like a response at 4 or 5 Hz: it has no corner left.
MAX_SKIN_BRIDGE_NS = 300 * NS_PER_MS
OF_CHEST = frozenset(
    {
        SignalKind.RESPIRATION,
        SignalKind.ACCELERATION_X,
        SignalKind.ACCELERATION_Y,
        SignalKind.ACCELERATION_Z,
    }
)
# What beats or breathes is heard once more where the rate was another; sweat is as high at any rate.
HEARD_AGAIN = frozenset({SignalKind.ECG, *LIGHTS, *OF_CHEST})
# A hole longer than this is no stretch of session to fill with withheld values.
MAX_FILLED_NS = 900 * NS_PER_S
# Positions that run backwards are repeats, unless they go on doing so: then the sensor counts from zero again.
MAX_REPEATED_S = 2.0


def bridge_ns(kind: SignalKind) -> int:
    """Return how long a hole of a signal may be to be bridged by a straight line.

    Parameters
    ----------
    kind : what the stream carries

    Returns
    -------
    in ns, of what is missing between two samples
    """
    if kind in OF_CHEST:
        return MAX_BREATH_BRIDGE_NS
    return MAX_SKIN_BRIDGE_NS if kind is SignalKind.SKIN_CONDUCTANCE else MAX_BRIDGE_NS


class Lane:
    """A stream's clock, its next expected position and its stage (None: drawn only).

    Notes
    -----
    Delay: none but that of its stage. Warm-up: none. Holes up to 150 ms are bridged (skin: 0.3 s; belt and tilt of a
    chest: 1 s).

    References
    ----------
    Definition of becalm: docs/indices.md.
    """

    def __init__(self, info: StreamInfo, stage: Stage | None) -> None:
        self.info = info
        self.clock = clock_for(info)
        self.rate_hz = info.sample_rate_hz or 1.0
        self.watermark_ns: int | None = None
        """Session time of the newest sample, or of the known end of a gap."""
        self.began_ns: int | None = None
        self.resumed_ns: int | None = None
        """Where the newest hole too long to fill ends."""
        self.begins_anew = True
        """Whether the newest block does not follow on what came: a hole too long to bridge, or its clock broke."""
        self._is_recording = info.clock is Clock.SESSION
        self.waited_for = self._is_recording
        """Whether a tick waits for this stream: recordings always, live streams from their first block on."""
        self._stage = stage
        self._bridge_ns = bridge_ns(info.kind)
        self._n_bridged = int(self._bridge_ns * self.rate_hz / NS_PER_S)
        self._gap_ns = 0
        """What misses in the longest gap told of since the newest block, if it may be bridged."""
        self._next: int | None = None
        self._heard = 0
        """Where the stage's samples end; what was missed since may still be bridged, unless it is lost."""
        self._last_value: float | None = None
        """The sample before that; None where nothing before belongs to what comes."""
        self._is_lost = False
        self._n_repeated = 0
        self._broken = False
        self._held = Held()
        self._past = Past()
        self._hears_again = info.kind in HEARD_AGAIN and not self._is_recording and stage is not None

    def feed(self, block: SampleBlock) -> tuple[list[Output], list[Waveform]]:
        """Take a block.

        A sample that is no finite number did not come: a hole like any other, but the stream's time goes on through
        it.

        Parameters
        ----------
        block : counts, shape (n_samples,), with the position of the first

        Returns
        -------
        what its stage says, and the samples to draw: a run for each stretch without a hole
        """
        counts = block.counts
        first = block.first_sample_idx
        if self._next is not None and first < self._next:
            n_known = self._next - first
            if n_known >= len(counts) and not self._counts_anew(len(counts)):
                return [], []
            if n_known >= len(counts):
                self._broken = True
            else:
                counts, first = counts[n_known:], self._next
        self._n_repeated = 0
        told = self._keep_time(block, first)
        self._next = first + len(counts)
        self.waited_for = True
        scale = self.info.unit_per_count
        samples = tuple([count * scale for count in counts])
        is_whole = math.isfinite(sum(samples))
        out: list[Output] = []
        drawn: list[Waveform] = []
        for at, run in ((first, samples),) if is_whole else _finite_runs(samples, first=first):
            out += self._hear(run, at=at)
            if self._hears_again:
                self._past.keep(at, run, n_kept=int(PAST_S * self.rate_hz))
            drawn.append(self._drawn(run, at=at))
        if not is_whole:
            out += self._miss(self._next)
            if self._is_lost:  # what may still be bridged is still to come
                self._pass(self.clock.session_ns(self._next - 1))
        if self.began_ns is None:
            self.began_ns = self.clock.session_ns(first)
        return told + self._tell(out, at=first), drawn

    def gap(self, gap: Gap) -> list[Output]:
        """Take a hole that the agent or a reader told of."""
        missing_ns = gap.end_ns - gap.start_ns - round(NS_PER_S / self.rate_hz)
        if missing_ns <= self._bridge_ns or self._next is None:
            self._gap_ns = max(self._gap_ns, missing_ns)
            return []
        out = self._tell(self._restart(gap.start_ns, emitted_ns=max(gap.end_ns, gap.start_ns)), at=self._next - 1)
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
        if self._stage is None or self._next is None:
            return []
        return self._tell(self._stage.finish(clock=self.clock), at=self._next - 1)

    def _tell(self, outputs: list[Output], *, at: int) -> list[Output]:
        """Return what may be told with the sample at a position."""
        if self._is_recording:
            return outputs
        self.clock.heed([event for event in outputs if isinstance(event, Beat) and not event.confirmed])
        return self._past.pass_on(self._held.pass_on(outputs, clock=self.clock, at=at), clock=self.clock)

    # ---------------------------------------------------------------------------------------------------- joining
    def _counts_anew(self, n_samples: int) -> bool:
        self._n_repeated += n_samples
        return self._n_repeated > MAX_REPEATED_S * self.rate_hz

    def _keep_time(self, block: SampleBlock, first: int) -> list[Output]:
        """Let the clock take the block; restart the stage where what comes does not follow on what came."""
        missing = 0 if self._next is None else first - self._next
        uncounted_ns = self._gap_ns - missing * NS_PER_S / self.rate_hz
        is_broken = self._broken or missing > self._n_bridged or uncounted_ns > MAX_BRIDGE_NS
        self._gap_ns = 0
        if is_broken:
            self.clock.restart()
            self._past.clear()
        was_known = self.clock.is_rate_known
        is_broken = not self.clock.accept(block) or is_broken
        self._broken = False
        before_ns = self.watermark_ns
        self.begins_anew = is_broken or self._next is None
        if not self.begins_anew:
            return []
        self._heard, self._last_value = first, None
        if before_ns is None:
            return []
        # A clock that begins anew may be behind the old one: what follows must not count before this.
        first_ns = self.clock.session_ns(first)
        self._resume(first_ns, before_ns=before_ns)
        self._is_lost = True
        lost_ns = min(before_ns, first_ns)
        out = self._restart(lost_ns, emitted_ns=first_ns, rate_hz=self._new_rate_hz())
        if not was_known:
            self._held.drop()
            out = without_rates(out)
        out = self._tell(out, at=first)
        return out + self._hear_again(first, lost_ns=lost_ns, now_ns=max(before_ns, first_ns) + 1)

    def _hear_again(self, first: int, *, lost_ns: int, now_ns: int) -> list[Output]:
        """Hand what came at a new rate before that was known to the stage that begins with it."""
        since = self.clock.rate_since
        self._past.rewind(is_back=since is not None, now_ns=now_ns, clock=self.clock)
        if since is None:
            return []
        again: list[Output] = []
        for n, (at, run) in enumerate(self._past.since(since)):
            if n == 0:
                self._heard = at
            again += self._hear(run, at=at)
        return self._tell(since_lost(again, lost_ns=lost_ns), at=first)

    def _new_rate_hz(self) -> float | None:
        """Return the rate where the clock has found another than was known."""
        rate_hz = self.clock.rate_hz
        if abs(rate_hz - self.rate_hz) <= RATE_LIMIT * self.rate_hz:
            return None
        self.rate_hz = rate_hz
        self._n_bridged = int(self._bridge_ns * rate_hz / NS_PER_S)
        return rate_hz

    def _hear(self, run: tuple[float, ...], *, at: int) -> list[Output]:
        """Hand a run to the stage, after bridging a short hole or restarting over a long one."""
        out: list[Output] = []
        samples: Sequence[float] = run
        missing = at - self._heard
        if missing > 0:
            out += self._miss(at)
            if self._last_value is not None:
                before = self._last_value
                step = (run[0] - before) / (missing + 1)
                samples = [*[before + step * (k + 1) for k in range(missing)], *run]
        self._heard, self._last_value, self._is_lost = at + len(run), run[-1], False
        if self._stage is not None:
            out += self._stage.feed(samples, first=self._heard - len(samples), clock=self.clock)
        return out

    def _miss(self, until: int) -> list[Output]:
        """Restart the stage, once, where a hole that goes on until here is too long to be bridged."""
        if self._is_lost or until - self._heard <= self._n_bridged:
            return []
        self._last_value, self._is_lost = None, True
        known_ns = self.clock.session_ns(self._heard + self._n_bridged)
        return self._restart(self.clock.session_ns(self._heard), emitted_ns=known_ns)

    def _resume(self, t_ns: int, *, before_ns: int) -> None:
        if t_ns - before_ns > MAX_FILLED_NS:
            self.resumed_ns = t_ns

    def _restart(self, t_ns: int, *, emitted_ns: int, rate_hz: float | None = None) -> list[Output]:
        if self._stage is None:
            return []
        return self._stage.restart(t_ns=t_ns, emitted_ns=emitted_ns, rate_hz=rate_hz)

    def _pass(self, t_ns: int) -> None:
        mark_ns = self.watermark_ns or 0
        self.watermark_ns = t_ns if t_ns > mark_ns else mark_ns

    def _drawn(self, run: tuple[float, ...], *, at: int) -> Waveform:
        n_steps, clock, info = len(run) - 1, self.clock, self.info
        first_ns, last_ns = clock.session_ns(at), clock.session_ns(at + n_steps)
        self._pass(last_ns)
        period_ns = (last_ns - first_ns) / n_steps if n_steps else 0.0
        return Waveform(
            stream_id=info.stream_id,
            kind=info.kind,
            t_ns=first_ns,
            sample_period_ns=period_ns if period_ns > 0.0 else NS_PER_S / self.rate_hz,
            values=run,
        )


def _finite_runs(samples: Sequence[float], *, first: int) -> Iterator[tuple[int, tuple[float, ...]]]:
    """Yield position and samples of each stretch of finite numbers."""
    at = first
    for is_finite, run in groupby(samples, math.isfinite):
        values = tuple(run)
        if is_finite:
            yield at, values
        at += len(values)
