"""The columns a recording may have, by name: unit in the name, kind and scale from this table."""

from collections.abc import Sequence

from becalm_ingest.formats.signals import OPTION, Choice, factor
from becalm_protocol.errors import RecordingError
from becalm_protocol.events import SignalKind, value


@value
class Column:
    """One known column of sampled values."""

    kind: SignalKind
    unit: str
    unit_per_count: float
    counts_per_cell: float
    """What a cell is multiplied by to give the integer count."""


# 0.01 uV keeps the five decimals of millivolts that recordings carry, and still holds 21 V in 32 bits.
_ECG_UV_PER_COUNT = 0.01
SAMPLED = {
    "ecg_mv": Column(
        kind=SignalKind.ECG, unit="uV", unit_per_count=_ECG_UV_PER_COUNT, counts_per_cell=1_000 / _ECG_UV_PER_COUNT
    ),
    "ecg_uv": Column(
        kind=SignalKind.ECG, unit="uV", unit_per_count=_ECG_UV_PER_COUNT, counts_per_cell=1 / _ECG_UV_PER_COUNT
    ),
    "rsp_au": Column(kind=SignalKind.RESPIRATION, unit="au", unit_per_count=1e-4, counts_per_cell=1e4),
    "eda_us": Column(kind=SignalKind.SKIN_CONDUCTANCE, unit="uS", unit_per_count=1e-4, counts_per_cell=1e4),
}
RR = "rr_ms"
HEART_RATE = "hr_bpm"
TIMES = {"time_s": 1e9, "time_ns": 1.0}
"""Nanoseconds in one unit of the column."""
KNOWN = (*TIMES, *SAMPLED, RR, HEART_RATE)


@value
class Layout:
    """Where the known columns of one file are."""

    n_columns: int
    time_idx: int | None
    time_unit_ns: float
    sampled: tuple[tuple[int, str], ...]
    """(position, name) of each column of samples."""
    rr_idx: int | None
    heart_rate_idx: int | None
    unknown: tuple[str, ...]


def read_layout(header: bytes, *, path: str, choices: Sequence[Choice] = ()) -> Layout:
    """Return the layout told by a header line. Raises RecordingError where nothing in it is known."""
    names = [name.strip().strip('"') for name in header.decode("utf-8-sig", errors="replace").strip().split(",")]
    lower = _renamed(names, choices, path=path) if choices else [name.lower() for name in names]
    twice = {name for name in lower if name in KNOWN and lower.count(name) > 1}
    if twice:
        raise RecordingError(f"expected each column once, got {', '.join(sorted(twice))} twice", path=path)
    sampled = tuple((idx, name) for idx, name in enumerate(lower) if name in SAMPLED)
    kinds = [SAMPLED[name].kind for _, name in sampled]
    if len(set(kinds)) < len(kinds):
        raise RecordingError("expected one ECG column, got ecg_mv and ecg_uv; remove one", path=path)
    if not sampled and RR not in lower:
        if not "".join(names).replace("\t", "").isprintable():
            raise RecordingError(
                "expected CSV, EDF, BDF, WFDB, XDF, FIT, RR text or notifications, got bytes that are none of them; "
                "export it from its program in one of these",
                path=path,
            )
        raise RecordingError(
            f"expected a header with at least one of {', '.join((*SAMPLED, RR))}, got {', '.join(names)[:120]!r}; "
            f'name the columns to use, such as {OPTION} "{names[0][:40]}=ecg:mV" (kinds: ecg, resp, eda, rr)',
            path=path,
        )
    time_name = next((name for name in TIMES if name in lower), None)
    return Layout(
        n_columns=len(names),
        time_idx=lower.index(time_name) if time_name else None,
        time_unit_ns=TIMES[time_name] if time_name else 0.0,
        sampled=sampled,
        rr_idx=lower.index(RR) if RR in lower else None,
        heart_rate_idx=lower.index(HEART_RATE) if HEART_RATE in lower else None,
        unknown=tuple(name for name, key in zip(names, lower, strict=True) if key not in KNOWN),
    )


def _renamed(names: Sequence[str], choices: Sequence[Choice], *, path: str) -> list[str]:
    """Return the names with those a person chose as they are in the table; other signals are not used."""
    plain = [name.lower() for name in names]
    renamed = [name if name in (*TIMES, HEART_RATE) else f"({name})" for name in plain]
    for choice in choices:
        label = choice.label.lower()
        places = [idx for idx, name in enumerate(plain) if label in (name, f"#{idx + 1}")]
        if len(places) != 1:
            raise RecordingError(
                f"{OPTION} {choice.label!r:.40}: expected the name of one column (or #2 for the second), "
                f"got {', '.join(names)[:120]!r}; choose one of them",
                path=path,
            )
        own = plain[places[0]]
        renamed[places[0]] = own if own in _OF_KIND[choice.kind] and not choice.unit else _column(choice, path=path)
    return renamed


_OF_KIND: dict[SignalKind, tuple[str, ...]] = {
    SignalKind.ECG: ("ecg_mv", "ecg_uv"),
    SignalKind.RESPIRATION: ("rsp_au",),
    SignalKind.SKIN_CONDUCTANCE: ("eda_us",),
    SignalKind.RR: (RR,),
}
_MILLI = 1e3


def _column(choice: Choice, *, path: str) -> str:
    """Return the name in the table for a column of that kind and unit."""
    columns = _OF_KIND[choice.kind]
    ratio = factor(choice.kind, choice.unit or "")
    if ratio == 1.0:
        return columns[-1]
    if ratio == _MILLI and choice.kind is SignalKind.ECG:
        return columns[0]
    units = {SignalKind.ECG: "mV or uV", SignalKind.SKIN_CONDUCTANCE: "uS", SignalKind.RR: "ms"}[choice.kind]
    raise RecordingError(
        f"{OPTION} {choice.label!r:.40}: expected its unit to be {units}, got {choice.unit or 'none'}; "
        f'write {OPTION} "{choice.label}={choice.kind.value}:{units.split()[0]}", or convert the column',
        path=path,
    )
