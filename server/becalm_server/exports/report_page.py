"""A session on one page for a clinician: HTML that needs nothing else, for a screen, a screen reader and A4 paper."""

from collections.abc import Iterable
from datetime import UTC, datetime
from html import escape
from importlib import resources
from typing import BinaryIO

from becalm_protocol.units import NS_PER_S
from becalm_server.exports import report_words as words
from becalm_server.exports.content import Content
from becalm_server.exports.report_chart import chart
from becalm_server.exports.report_facts import Facts, Index, Signal, Told, gather
from becalm_server.refusals import NothingToExportError

_WIDE, _SMALL = (720, 190), (300, 130)


def write(content: Content, file: BinaryIO) -> None:
    """Write the whole page. Raises NothingToExportError where no sensor ever opened the session."""
    if not content.streams:
        raise NothingToExportError("The session has no signals; there is nothing to tell.")
    facts = gather(content)
    style = resources.files(__package__ or "").joinpath("report.css").read_text(encoding="utf-8")
    sections = (_short(facts), _course(facts), _measured(facts), _variability(facts))
    body = "".join((_head(content, facts), *sections, _foot(content, facts)))
    page = (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'\">"
        f"<title>Session of {_day(content)}</title><style>{style}</style></head>"
        f"<body><main>{body}</main></body></html>\n"
    )
    file.write(page.encode())


def _moment(content: Content) -> datetime:
    return datetime.fromtimestamp(content.started_unix_ns // NS_PER_S, tz=UTC)


def _day(content: Content) -> str:
    return f"{_moment(content):%Y-%m-%d %H:%M} UTC"


def _head(content: Content, facts: Facts) -> str:
    pacer = "no pacer" if facts.pacer is None else "pacer {:g} s in, {:g} s out".format(*facts.pacer)
    source = "" if content.record.source.value == "live" else ", a recording played again"
    told = f"{_span(facts.end_s)}{source}, {pacer}. Session {content.record.session_id}"
    return f"<header><h1>Session of {_day(content)}</h1><p>{escape(told)}</p></header>"


def _short(facts: Facts) -> str:
    beats = "; ".join(
        f"{n:,} beats from {words.KINDS.get(source, source)}, {flagged or 'none'} of them unclear and left out of "
        "variability"
        for source, (n, flagged) in facts.beats.items()
    )
    counted = f"{beats or 'No beats'}; {facts.n_breaths} breaths; {facts.n_responses} skin responses."
    told = words.subsidence(_plain(facts)) if "practice" in facts.parts else words.NO_PRACTICE
    return (
        f'<section class="short"><h2>In short</h2><p class="told">{escape(told)}</p><p>{escape(counted)}</p></section>'
    )


def _plain(facts: Facts) -> dict[str, object] | None:
    return None if facts.subsidence is None else dict(facts.subsidence)


def _course(facts: Facts) -> str:
    drawn = {name: _chart(facts, name) for name in facts.lines if _is_told(facts, name)}
    charts = drawn.pop("arousal", "") + f'<div class="small">{"".join(drawn.values())}</div>'
    listed = "".join(f"<li>{escape(mark.label)} ({_span(mark.t_s)})</li>" for mark in facts.markers)
    marked = f'<h3>Marked moments</h3><ol class="marks">{listed}</ol>' if listed else ""
    untold = [words.INDICES[name][0] for name in facts.lines if not _is_told(facts, name)]
    absent = f"<p>Told at no moment: {escape(', '.join(untold).lower())}.</p>" if untold else ""
    scale = " ".join(filter(None, (words.SCALE, words.made_of(facts.arousal_from))))
    return f"<section><h2>Over time</h2><p>{escape(scale)}</p>{charts}{absent}{marked}</section>"


def _is_told(facts: Facts, name: str) -> bool:
    return any(point.value is not None for point in facts.lines[name])


def _chart(facts: Facts, name: str) -> str:
    label, unit = words.INDICES[name]
    told = [point.value for point in facts.lines[name] if point.value is not None]
    share = len(told) / max(1, len(facts.lines[name]))
    title = f"{label}{f' ({unit})' if unit else ''}"
    ends = f"between {min(told):.4g} and {max(told):.4g}, " if told else ""
    drawn = chart(
        facts.lines[name],
        title=title,
        description=f"{title} over the session: {ends}told in {share:.0%} of seconds, with its 95 % band",
        end_s=facts.end_s,
        phases=facts.phases,
        markers=facts.markers,
        size=_WIDE if name == "arousal" else _SMALL,
    )
    caption = f"{escape(title)}; told in {share:.0%} of seconds"
    return f"<figure>{drawn}<figcaption>{caption}</figcaption></figure>"


def _measured(facts: Facts) -> str:
    rows = "".join(_signal_row(signal) for signal in facts.signals)
    heads = _heads("Signal", "Sensor", "Rate", "Samples", "Gaps", "Usable", "Otherwise")
    return (
        "<section><h2>What was measured, and how well</h2><table><caption>Signals of the session</caption>"
        f"{heads}<tbody>{rows}</tbody></table></section>"
    )


def _signal_row(signal: Signal) -> str:
    sampled = f"{signal.sample_rate_hz:g} Hz" if signal.sample_rate_hz else "each beat"
    usable = "not judged" if signal.usable_share is None else f"{signal.usable_share:.0%} of the time"
    usable = "; ".join((usable, *_reasons(signal.cautions)))
    why = "; ".join(_reasons(signal.reasons))
    cells = (signal.sensor, sampled, f"{signal.n_samples:,}", str(signal.n_gaps), usable, why or "\u2013")
    return _row(words.KINDS.get(signal.kind, signal.kind), cells)


def _reasons(told: tuple[tuple[str, float], ...]) -> list[str]:
    return [f"{words.reason(name)} {_span(seconds)}" for name, seconds in told[:3]]


def _variability(facts: Facts) -> str:
    rows = "".join(_index_row(index) for index in facts.indices)
    parts = [words.PARTS[part] for part in facts.parts]
    heads = _heads("Index", *parts, f"NeuroKit2, {parts[-1].lower()}")
    caption = "<caption>Median of windows that lie wholly in each part, and how often they were told</caption>"
    return (
        f"<section><h2>Heart rate variability</h2><p>{words.BOUNDS} {words.NEUROKIT}</p>"
        f"<table>{caption}{heads}<tbody>{rows}</tbody></table></section>"
    )


def _index_row(index: Index) -> str:
    label, unit = words.INDICES[index.name]
    theirs = "\u2013" if index.neurokit is None else f"{words.number(index.neurokit)} {unit}"
    return _row(label, (*(_told(part, unit) for part in index.parts.values()), theirs))


def _told(told: Told, unit: str) -> str:
    if told.middle is None or told.bound is None:
        return "no whole window" if told.reason is None else f"withheld: {words.reason(told.reason)}"
    return f"{words.number(told.middle)} \u00b1 {words.number(told.bound, digits=2)} {unit} ({told.share:.0%})"


def _foot(content: Content, facts: Facts) -> str:
    reason = facts.again["derived_again_reason"]
    again = ""
    if reason is not None:
        when = facts.again["derived_again_at"]
        state = "will be worked out again" if when is None else "were worked out again from what the sensors sent"
        again = f"<p>Values of this page {state}, as {escape(words.AGAIN[reason])}.</p>"
    version = escape(str(content.pipeline_version))
    return (
        f"<footer>{again}<p>becalm, signal pipeline version {version}. How each index is defined: docs/indices.md of "
        "becalm. It describes signals of one session, names no condition, and compares with nobody else.</p></footer>"
    )


def _heads(*names: str) -> str:
    return "<thead><tr>" + "".join(f'<th scope="col">{escape(name)}</th>' for name in names) + "</tr></thead>"


def _row(head: str, cells: Iterable[str]) -> str:
    return f'<tr><th scope="row">{escape(head)}</th>' + "".join(f"<td>{escape(c)}</td>" for c in cells) + "</tr>"


def _span(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes} min {rest} s" if minutes else f"{rest} s"
