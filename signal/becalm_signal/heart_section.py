"""The heart's indices over 60, 120 and 300 s."""

from becalm_protocol.derived import Index, Reason
from becalm_protocol.events import SignalKind
from becalm_protocol.units import NS_PER_S
from becalm_signal.band_powers import NAMES as OF_BANDS
from becalm_signal.band_powers import band_powers
from becalm_signal.hrv import WINDOW_NS, WINDOW_S
from becalm_signal.interval_log import LONG_NS, LONG_S, IntervalLog
from becalm_signal.slow_board import LONG_RENEWED_NS, MINUTE_RENEWED_NS, Moment, Renewed
from becalm_signal.spectrum import WINDOW_S as SPECTRUM_S
from becalm_signal.stage import Output
from becalm_signal.variability import logarithm, time_domain

SPECTRUM_NS = round(SPECTRUM_S * NS_PER_S)
OF_MINUTE = ("mean_rr_ms", "sdnn_ms", "pnn50_pct", "sd1_ms", "sd2_ms")
OF_LONG = ("mean_rr_ms", "rmssd_ms", "sdnn_ms", "pnn50_pct")
# Why the live indices of the heart are withheld altogether.
ALL_WITHHELD = frozenset({Reason.NO_SENSOR, Reason.SENSOR_LOST, Reason.DISAGREES})


class HeartSection:
    """Speaks of the source whose beats count now, from the intervals that are kept of each.

    Notes
    -----
    Delay: one or two beats. Warm-up: 80 % of each window in accepted intervals; 62.5 s for powers.

    References
    ----------
    Task Force 1996, DOI 10.1161/01.CIR.93.5.1043.
    """

    def __init__(self) -> None:
        self._hearts: dict[SignalKind, _Heart] = {}

    def apply(self, event: Output) -> None:
        """The intervals come with the moment."""

    def indices(self, moment: Moment) -> dict[str, Index]:
        """Return the time-domain indices of 60 s and 300 s, and the powers of 120 s."""
        live = moment.metrics.rmssd_ms
        if live.reason in ALL_WITHHELD or moment.heart is None:
            told = dict.fromkeys(_names(), Index(reason=live.reason or Reason.WARMING_UP))
        else:
            if moment.heart not in self._hearts:
                self._hearts[moment.heart] = _Heart(moment.intervals)
            told = {"ln_rmssd": logarithm(live), **self._hearts[moment.heart].indices(moment.now_ns)}
        bad = moment.bad.get(moment.heart) if moment.heart is not None else None
        if bad is None:
            return told
        return {name: Index(reason=bad) if index.value is None else index for name, index in told.items()}


def _names() -> tuple[str, ...]:
    return ("ln_rmssd", *OF_MINUTE, *map(_long_name, OF_LONG), *OF_BANDS)


def _long_name(name: str) -> str:
    stem, unit = name.rsplit("_", 1)
    return f"{stem}_300s_{unit}"


class _Heart:
    """What is worked out from the intervals of one source."""

    def __init__(self, intervals: IntervalLog) -> None:
        self._intervals = intervals
        self._minute = Renewed(every_ns=MINUTE_RENEWED_NS)
        self._bands = Renewed(every_ns=LONG_RENEWED_NS)
        self._long = Renewed(every_ns=LONG_RENEWED_NS)

    def indices(self, now_ns: int) -> dict[str, Index]:
        return (
            self._minute.at(now_ns, self._of_minute)
            | self._long.at(now_ns, self._of_long)
            | self._bands.at(now_ns, self._powers)
        )

    def _of_minute(self, now_ns: int) -> dict[str, Index]:
        minute = time_domain(self._intervals.since(now_ns - WINDOW_NS), now_ns=now_ns, window_s=WINDOW_S)
        return {name: minute[name] for name in OF_MINUTE}

    def _of_long(self, now_ns: int) -> dict[str, Index]:
        long = time_domain(self._intervals.since(now_ns - LONG_NS), now_ns=now_ns, window_s=LONG_S)
        return {_long_name(name): long[name] for name in OF_LONG}

    def _powers(self, now_ns: int) -> dict[str, Index]:
        since_ns = now_ns - SPECTRUM_NS
        return band_powers(self._intervals.since(since_ns), since_ns=since_ns)
