"""Chooses the signals of a file: one of each kind, by the table or as the person says; asks where that is not plain."""

import secrets
from collections.abc import Sequence

from becalm_ingest.devices.skin_transfer import FROM_COUNTS
from becalm_ingest.formats.signals import NAMES, OPTION, QUANTUM, Choice, factor, recognise, unit_of
from becalm_protocol import limits
from becalm_protocol.errors import RecordingError
from becalm_protocol.events import Clock, SignalKind, StreamInfo, value

_MAX_SHOWN = 24


@value
class Found:
    """One signal of a file, as the file describes it."""

    label: str
    unit: str
    """As the file writes it; empty where it has none."""
    sample_rate_hz: float | None
    """None: values at odd times, such as intervals between beats."""
    unit_per_count: float | None = None
    """For signals kept as integers: a count times this is a value in `unit`. None: decimal numbers."""
    largest: float = 0.0
    """Largest magnitude of a signal in decimal numbers, where it is known beforehand."""
    more: tuple[str, ...] = ()
    """Further words that may tell what it is, such as the type of its stream."""
    device: str = ""
    """Empty: the name of the file stands for it."""


@value
class Chosen:
    """A signal that is played."""

    idx: int
    """Position in the list of those found."""
    info: StreamInfo
    factor: float
    """A value in the file's unit times this is in ours."""


def choose(found: Sequence[Found], *, choices: Sequence[Choice], path: str, name: str) -> tuple[Chosen, ...]:
    """Return one signal of each kind. Raises RecordingError, listing what there is, where it cannot be told."""
    chosen = _as_told(found, choices, path=path) if choices else _usable(found, _by_table(found, path=path))
    if not chosen:
        raise RecordingError(
            f"expected a signal that its label and unit tell to be one of ours, got {listing(found)}; {_how(found)}",
            path=path,
        )
    return tuple(
        _chosen(found[idx], kind, idx=idx, unit=unit, path=path, name=name)
        for kind, (idx, unit) in sorted(chosen.items(), key=lambda item: list(SignalKind).index(item[0]))
    )


def unused(found: Sequence[Found], chosen: Sequence[Chosen]) -> tuple[str, ...]:
    """Return the sentence that names what of a file is not played, if anything."""
    taken = {one.idx for one in chosen}
    rest = [one.label for idx, one in enumerate(found) if idx not in taken]
    if not rest:
        return ()
    names = ", ".join(rest[:_MAX_SHOWN])[:200] + (" ..." if len(rest) > _MAX_SHOWN else "")
    used = ", ".join(f"{found[one.idx].label} as {one.info.kind.value}" for one in chosen)
    return (f"Used: {used}. Not used: {names} (choose with {OPTION} LABEL=KIND:UNIT)", *_unknown_units(found, taken))


def _unknown_units(found: Sequence[Found], taken: set[int]) -> tuple[str, ...]:
    """Return a sentence for each signal that its label tells, but whose unit does not."""
    return tuple(
        f"{one.label} is not used: its unit {one.unit[:20]!r} is not one of {told[0].value}"
        for idx, one in enumerate(found)
        if idx not in taken and (told := _recognise(one)) is not None and factor(told[0], one.unit) is None
    )


def listing(found: Sequence[Found]) -> str:
    """Return the signals of a file in words."""
    if not found:
        return "no signals"
    shown = [
        f"#{idx + 1} {one.label!r:.40} ({one.unit or 'no unit'}, "
        + (f"{one.sample_rate_hz:g} Hz)" if one.sample_rate_hz else "at odd times)")
        for idx, one in enumerate(found[:_MAX_SHOWN])
    ]
    return "; ".join(shown) + (f"; and {len(found) - _MAX_SHOWN} more" if len(found) > _MAX_SHOWN else "")


def _by_table(found: Sequence[Found], *, path: str) -> dict[SignalKind, tuple[int, str]]:
    ranked: dict[SignalKind, list[tuple[int, int]]] = {}
    for idx, one in enumerate(found):
        told = _recognise(one)
        if told is not None:
            ranked.setdefault(told[0], []).append((told[1], idx))
    chosen: dict[SignalKind, tuple[int, str]] = {}
    for kind, candidates in ranked.items():
        best = min(candidates)[0]
        first = [idx for rank, idx in candidates if rank == best]
        if len(first) > 1:
            names = " and ".join(repr(found[idx].label) for idx in first[:4])
            raise RecordingError(
                f"expected one signal that may be {kind.value}, got {names} among {listing(found)}; {_how(found)}",
                path=path,
            )
        chosen[kind] = (first[0], found[first[0]].unit)
    return chosen


def _usable(found: Sequence[Found], chosen: dict[SignalKind, tuple[int, str]]) -> dict[SignalKind, tuple[int, str]]:
    """Leave out signals of unknown unit or impossible rate; if that leaves nothing, they are asked about."""
    usable = {
        kind: (idx, unit)
        for kind, (idx, unit) in chosen.items()
        if factor(kind, unit) is not None and _is_possible(found[idx].sample_rate_hz)
    }
    return usable or chosen


def _is_possible(rate_hz: float | None) -> bool:
    return rate_hz is None or limits.MIN_SAMPLE_RATE_HZ <= rate_hz <= limits.MAX_SAMPLE_RATE_HZ


def _recognise(one: Found) -> tuple[SignalKind, int] | None:
    """A label tells; where it tells nothing, further words do. What is sampled is never taken for intervals."""
    for label in (one.label, *one.more):
        told = recognise(label)
        if told is not None and (told[0] is SignalKind.RR) == (one.sample_rate_hz is None):
            return told
    return None


def _as_told(found: Sequence[Found], choices: Sequence[Choice], *, path: str) -> dict[SignalKind, tuple[int, str]]:
    chosen: dict[SignalKind, tuple[int, str]] = {}
    for choice in choices:
        matches = [
            idx
            for idx, one in enumerate(found)
            if choice.label in (f"#{idx + 1}", one.label) or choice.label.casefold() == one.label.strip().casefold()
        ]
        if len(matches) != 1:
            what = "one signal" if matches else "a signal"
            raise RecordingError(
                f"{OPTION} {choice.label!r:.40}: expected {what} of that label, got {listing(found)}; {_how(found)}",
                path=path,
            )
        if choice.kind in chosen:
            raise RecordingError(f"{OPTION}: expected each kind once, got {choice.kind.value} twice", path=path)
        if (choice.kind is SignalKind.RR) != (found[matches[0]].sample_rate_hz is None):
            raise RecordingError(
                f"{OPTION} {choice.label!r:.40}: expected rr for values at odd times, another kind for sampled ones, "
                f"got {choice.kind.value}; choose among {listing(found)}",
                path=path,
            )
        chosen[choice.kind] = (matches[0], choice.unit or found[matches[0]].unit)
    return chosen


def _chosen(one: Found, kind: SignalKind, *, idx: int, unit: str, path: str, name: str) -> Chosen:
    ratio = factor(kind, unit)
    if ratio is None:
        raise RecordingError(
            f"{one.label!r:.40}: expected {kind.value} with a unit we know, got {unit[:20]!r}; "
            f'name it with {OPTION} "{one.label}={_word(kind)}:UNIT"{_or_counts(one.label, kind)}',
            path=path,
        )
    rate_hz, per_count = one.sample_rate_hz, QUANTUM.get(kind, 1.0)
    if one.unit_per_count is not None:
        per_count = one.unit_per_count * ratio
    while one.largest * ratio > per_count * limits.MAX_COUNT:  # raw readings of a converter, written as decimals
        per_count *= 10.0
    if not _is_possible(rate_hz):
        low, high = limits.MIN_SAMPLE_RATE_HZ, limits.MAX_SAMPLE_RATE_HZ
        raise RecordingError(
            f"{one.label!r:.40}: expected {low:g} to {high:g} Hz, got {rate_hz:g}; resample it", path=path
        )
    info = StreamInfo(
        stream_id=secrets.token_hex(16),
        kind=kind,
        unit=unit_of(kind, unit),
        unit_per_count=per_count,
        sample_rate_hz=rate_hz,
        clock=Clock.ARRIVAL if rate_hz is None else Clock.SESSION,
        device=label_of(one.device or name),
    )
    return Chosen(idx=idx, info=info, factor=ratio)


def label_of(name: str) -> str:
    """Return a name as a device label."""
    return "".join(filter(str.isprintable, name))[: limits.MAX_NAME_CHARS] or "recording"


def _or_counts(label: str, kind: SignalKind) -> str:
    """Return what else to do where values may be raw counts."""
    if kind is not SignalKind.SKIN_CONDUCTANCE:
        return ""
    return f', or for raw counts "{label}=eda:TRANSFER" ({", ".join(FROM_COUNTS)})'


def _word(kind: SignalKind) -> str:
    return next(word for word, meant in NAMES.items() if meant is kind)


def _how(found: Sequence[Found]) -> str:
    label = found[0].label if found else "LABEL"
    return f'name the ones to use, such as {OPTION} "{label}=ecg:mV" (kinds: ecg, resp, eda, rr)'
