"""Which sentence belongs to which state: tables from the closed sets to `words`."""

from becalm_kivy import words
from becalm_kivy.practice_view import PracticeState
from becalm_kivy.signals import SignalState, SignalView
from becalm_kivy.traces import Curve
from becalm_protocol.derived import Reason

_MAIN = {
    PracticeState.NO_AGENT: words.NO_AGENT,
    PracticeState.SENSOR_NOT_FOUND: words.SENSOR_NOT_FOUND,
    PracticeState.READY: words.READY,
    PracticeState.WAITING: words.WAITING,
    PracticeState.CALIBRATING: words.CALIBRATING,
    PracticeState.PRACTISING: words.PRACTISING,
    PracticeState.REPLAYING: words.REPLAYING,
    PracticeState.ALONE: words.ALONE,
    PracticeState.ENDED: words.ENDED,
}
_LOST = {Curve.HEART: words.HEART_LOST, Curve.BREATH: words.BREATH_LOST, Curve.SKIN: words.SKIN_LOST}
_STALE = {Curve.HEART: words.HEART_STALE, Curve.BREATH: words.BREATH_STALE, Curve.SKIN: words.SKIN_STALE}
_UNCLEAR = {Curve.HEART: words.HEART_UNCLEAR, Curve.BREATH: words.BREATH_UNCLEAR, Curve.SKIN: words.SKIN_UNCLEAR}

CHIP_NAMES = {Curve.HEART: words.STRAP, Curve.BREATH: words.BELT, Curve.SKIN: words.SKIN_SENSOR}
TRACE_NAMES = {Curve.HEART: words.HEART_TRACE, Curve.BREATH: words.BREATH_TRACE, Curve.SKIN: words.SKIN_TRACE}
STATE_NAMES = {
    SignalState.NOT_FOUND: words.STATE_NOT_FOUND,
    SignalState.FOUND: words.STATE_FOUND,
    SignalState.LIVE: words.STATE_LIVE,
    SignalState.UNCLEAR: words.STATE_UNCLEAR,
    SignalState.LATE: words.STATE_LATE,
    SignalState.STALE: words.STATE_STALE,
    SignalState.LOST: words.STATE_LOST,
}
WITHHELD = {
    Reason.NO_SENSOR: words.WITHHELD_NO_SENSOR,
    Reason.WARMING_UP: words.WITHHELD_WARMING_UP,
    Reason.SENSOR_LOST: words.WITHHELD_SENSOR_LOST,
    Reason.NOISY: words.WITHHELD_NOISY,
    Reason.FLAT: words.WITHHELD_FLAT,
    Reason.SATURATED: words.WITHHELD_SATURATED,
    Reason.OUT_OF_RANGE: words.WITHHELD_OUT_OF_RANGE,
    Reason.TOO_FEW_BEATS: words.WITHHELD_TOO_FEW_BEATS,
    Reason.TOO_MANY_ARTEFACTS: words.WITHHELD_TOO_MANY_ARTEFACTS,
    Reason.NO_BREATH: words.WITHHELD_NO_BREATH,
    Reason.BASELINE: words.WITHHELD_BASELINE,
    Reason.TOO_FEW_SIGNALS: words.WITHHELD_TOO_FEW_SIGNALS,
    Reason.MOTION: words.WITHHELD_MOTION,
    Reason.POWERLINE: words.WITHHELD_POWERLINE,
    Reason.CLIPPED: words.WITHHELD_CLIPPED,
    Reason.POOR_CONTACT: words.WITHHELD_POOR_CONTACT,
    Reason.OFF_BODY: words.WITHHELD_OFF_BODY,
    Reason.NOT_PACED: words.WITHHELD_NOT_PACED,
    Reason.DISAGREES: words.WITHHELD_DISAGREES,
    Reason.UNRELATED: words.WITHHELD_UNRELATED,
    Reason.CANNOT_TELL: words.WITHHELD_CANNOT_TELL,
}


def main(state: PracticeState, *, link_sentence: str) -> str:
    """Return what is going on."""
    return _MAIN.get(state, link_sentence)


def notice(
    state: PracticeState, *, is_linked: bool, has_agent: bool, signals: tuple[SignalView, ...], is_held: bool
) -> str | None:
    """Return what needs a hand during a session, or is to be known, in two lines; None when all is well."""
    if not state.is_under_way or state is PracticeState.ALONE:
        return None
    if not is_linked:
        return f"{words.LINK_LOST}\n{words.PRACTICE_GOES_ON}"
    if not has_agent:
        return f"{words.AGENT_LOST}\n{words.PRACTICE_GOES_ON}"
    for wanted, table in ((SignalState.LOST, _LOST), (SignalState.STALE, _STALE), (SignalState.UNCLEAR, _UNCLEAR)):
        for signal in signals:
            if signal.state is wanted:
                return f"{table[signal.curve]}\n{words.PRACTICE_GOES_ON}"
    if is_held:
        return f"{words.NOT_STORED_YET}\n{words.PRACTICE_GOES_ON}"
    for signal in signals:
        if signal.is_live and signal.caution is not None:
            told = words.STILL_READABLE.format(sensor=CHIP_NAMES[signal.curve], why=WITHHELD[signal.caution])
            return f"{told}\n{words.PRACTICE_GOES_ON}"
    return None
