"""Numbers as text, the same in the window and in the terminal."""

from becalm_kivy import sentences, words
from becalm_kivy.practice_view import PracticeView, Reading
from becalm_kivy.settling import SettlingWord
from becalm_kivy.signals import SignalState, SignalView
from becalm_kivy.summary import Outcome, Summary
from becalm_protocol.derived import Index
from becalm_protocol.units import NS_PER_S

_SETTLING = {
    SettlingWord.SETTLING: (words.SETTLING, words.SETTLING_MORE),
    SettlingWord.EASING: (words.EASING, words.EASING_MORE),
    SettlingWord.STEADY: (words.STEADY, words.STEADY_MORE),
    SettlingWord.ACTIVE: (words.ACTIVE, words.ACTIVE_MORE),
}
_OUTCOMES = {
    Outcome.EASED: words.SUMMARY_EASED,
    Outcome.MORE_ACTIVE: words.SUMMARY_MORE_ACTIVE,
    Outcome.CANNOT_TELL: words.SUMMARY_CANNOT_TELL,
    Outcome.TOO_SHORT: words.SUMMARY_TOO_SHORT,
    Outcome.START_NOT_SEEN: words.SUMMARY_START_NOT_SEEN,
    Outcome.NO_PRACTICE: words.SUMMARY_NO_PRACTICE,
}
_AWAY = {SignalState.LOST, SignalState.STALE}
_NAMES_AND_FORMS = {
    "heart_rate_bpm": (words.HEART_RATE, "{:.0f} {unit}", words.PER_MIN),
    "rmssd_ms": (words.RMSSD, "{:.0f} {unit}", words.MS),
    "breathing_rate_bpm": (words.BREATHING_RATE, "{:.1f} {unit}", words.PER_MIN),
    "scl_us": (words.SKIN_LEVEL, "{:.2f} {unit}", words.US),
    "scr_per_min": (words.SKIN_RESPONSES, "{:.0f} {unit}", words.PER_MIN),
    "arousal": (words.AROUSAL, "{:.0f}", ""),
}

_FEATURES = {
    "heart_rate_bpm": words.FEATURE_HEART_RATE,
    "ln_rmssd": words.FEATURE_RMSSD,
    "scl_us": words.FEATURE_SKIN_LEVEL,
    "scr_per_min": words.FEATURE_SKIN_RESPONSES,
    "breathing_rate_bpm": words.FEATURE_BREATHING_RATE,
    "breath_irregularity": words.FEATURE_BREATH_RHYTHM,
}


def clock_text(seconds: float) -> str:
    """Return minutes and seconds."""
    whole_s = max(0, int(seconds))
    return f"{whole_s // 60}:{whole_s % 60:02d}"


def reading_name(name: str) -> str:
    """Return what an index is called."""
    return _NAMES_AND_FORMS[name][0]


def index_text(name: str, index: Index) -> str:
    """Return an index with its unit and bound, or why it is withheld."""
    if index.value is None:
        return sentences.WITHHELD[index.reason] if index.reason else ""
    _name, form, unit = _NAMES_AND_FORMS[name]
    text = form.format(index.value, unit=unit).strip()
    return text if index.bound is None else f"{text}  \u00b1 {_bound(index.bound)}"


def _bound(bound: float) -> str:
    return f"{bound:.0f}" if bound >= 3 else f"{bound:.1f}" if bound >= 0.1 else f"{bound:.2f}"


def reading_text(reading: Reading) -> str:
    """Return a reading; what is old says so."""
    text = index_text(reading.name, reading.index)
    return f"{text}, {words.FROM_EARLIER}" if reading.is_stale else text


def chip_text(signal: SignalView) -> str:
    """Return what a sensor's chip says."""
    text = sentences.STATE_NAMES[signal.state]
    if signal.state in _AWAY:
        return text if signal.age_ns is None else f"{text}, {_ago(signal.age_ns)}"
    if signal.battery_pct is not None:
        text = f"{text}, {words.BATTERY.format(level_pct=signal.battery_pct)}"
    return text


def _ago(age_ns: int) -> str:
    return words.AGO.format(seconds=age_ns // NS_PER_S)


def age_text(view: PracticeView) -> str:
    """Return how old the newest sample is and how far behind the curves are drawn; empty outside a session."""
    if view.age_ns is None:
        return ""
    delay_s = view.playout_delay_ns / NS_PER_S
    return words.AGE.format(age_s=f"{view.age_ns / NS_PER_S:.1f}", delay_s=f"{delay_s:.1f}")


def settling_texts(view: PracticeView) -> tuple[str, str]:
    """Return the word beside the shape and the sentence under it; empty while nothing is measured."""
    settling = view.settling
    if view.draw_ns is None:
        return "", ""
    if settling.word is not None:
        return _SETTLING[settling.word]
    if settling.is_stale:
        return words.FROM_EARLIER.capitalize(), words.SETTLING_STALE
    if settling.reason is not None:
        return words.NOT_YET, sentences.WITHHELD[settling.reason].capitalize() + "."
    return words.NOT_YET, ""


def arousal_from_text(view: PracticeView) -> str:
    """Return what the shape is made of now; empty while there is none. A feature of a later server has its own name."""
    if view.settling.word is None or not view.arousal_from:
        return ""
    return words.AROUSAL_FROM.format(features=", ".join(_FEATURES.get(name, name) for name in view.arousal_from))


def minutes_text(summary: Summary) -> str:
    """Return how long practice was; empty where there was none."""
    return words.SUMMARY_MINUTES.format(clock=clock_text(summary.practice_s)) if summary.practice_s >= 1 else ""


def summary_text(summary: Summary) -> str:
    """Return the one sentence of a summary."""
    if summary.start is None or summary.end is None or summary.start.value is None or summary.end.value is None:
        return _OUTCOMES[summary.outcome]
    return _OUTCOMES[summary.outcome].format(start=f"{summary.start.value:.0f}", end=f"{summary.end.value:.0f}")
