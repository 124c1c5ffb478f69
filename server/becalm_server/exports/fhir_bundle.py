"""HL7 FHIR R4: a bundle of Observations with SampledData, for each index and each stretch of each signal."""

import json
import math
from collections.abc import Iterable, Iterator, Mapping
from datetime import UTC, datetime
from itertools import islice
from typing import Any, BinaryIO
from uuid import NAMESPACE_URL, uuid5

from becalm_protocol.derived import Metrics, SlowMetrics
from becalm_protocol.units import NS_PER_MS, NS_PER_S
from becalm_server.exports.content import Content
from becalm_server.exports.fhir_codes import BOUND, UCUM, code_system, coding, index_unit, signal_unit
from becalm_server.exports.stretches import Stretch, stretches
from becalm_server.exports.track import Track

_METRICS_EVERY_NS = NS_PER_S
_SLOW_EVERY_NS = 5 * NS_PER_S
# An Observation that holds more would be long to parse; the next one goes on.
_VALUES_AN_OBSERVATION = 3_600
_BLOCKS_AN_OBSERVATION = 2_000
_NO_VALUE = "E"
"""FHIR's mark in SampledData for a value that could not be had: withheld, or no sample."""
Resource = dict[str, Any]
Row = tuple[int, Mapping[str, Mapping[str, Any]]]


def write(content: Content, file: BinaryIO) -> None:
    """Write the whole file."""
    session_id = content.record.session_id
    head = {
        "resourceType": "Bundle",
        "type": "collection",
        "identifier": {"system": "urn:becalm:session", "value": session_id},
        "timestamp": _instant(content, content.span_ns()[1]),
    }
    file.write(json.dumps(head)[:-1].encode() + b', "entry": [')
    for n, resource in enumerate(_resources(content)):
        entry = {"fullUrl": f"urn:uuid:{uuid5(NAMESPACE_URL, f'{session_id}/{n}')}", "resource": resource}
        file.write((b",\n" if n else b"\n") + json.dumps(entry).encode())
    file.write(b"\n]}\n")


def _resources(content: Content) -> Iterator[Resource]:
    yield code_system()
    for track in content.tracks.values():
        for stretch in stretches(track):
            yield from _signal(content, track, stretch=stretch)
    metric_rows = ((row["t_ns"], _metrics_of(row)) for row in content.rows("select_metrics"))
    slow_rows = ((row["t_ns"], row["indices"]) for row in content.rows("select_slow_metrics"))
    yield from _series(content, metric_rows, names=Metrics.index_names(), every_ns=_METRICS_EVERY_NS)
    yield from _series(content, slow_rows, names=SlowMetrics.index_names(), every_ns=_SLOW_EVERY_NS)


def _metrics_of(row: Mapping[str, Any]) -> Mapping[str, Mapping[str, Any]]:
    return {name: {"value": row.get(name), "bound": row.get(f"{name}_bound")} for name in Metrics.index_names()}


def _series(content: Content, rows: Iterable[Row], *, names: tuple[str, ...], every_ns: int) -> Iterator[Resource]:
    """Give an Observation for each index and each run of rows without a hole."""
    run: list[Row] = []
    for row in rows:
        if run and (row[0] != run[-1][0] + every_ns or len(run) == _VALUES_AN_OBSERVATION):
            yield from _run(content, run, names=names, every_ns=every_ns)
            run = []
        run.append(row)
    if run:
        yield from _run(content, run, names=names, every_ns=every_ns)


def _run(content: Content, run: list[Row], *, names: tuple[str, ...], every_ns: int) -> Iterator[Resource]:
    for name in names:
        told = [row[1].get(name, {}) for row in run]
        observation = _observation(content, name, t_ns=run[0][0], until_ns=run[-1][0])
        observation["method"] = {"text": f"becalm pipeline {content.pipeline_version}, defined in docs/indices.md"}
        if all(one.get("value") is None for one in told):
            observation["dataAbsentReason"] = {"text": "Withheld all the time"}
            yield observation
            continue
        unit = index_unit(name)
        observation["valueSampledData"] = _sampled(_decimals(told, "value"), unit=unit, period_ns=every_ns)
        bound = _sampled(_decimals(told, "bound"), unit=unit, period_ns=every_ns)
        observation["component"] = [{"code": coding(BOUND), "valueSampledData": bound}]
        yield observation


def _decimals(told: Iterable[Mapping[str, Any]], part: str) -> str:
    return " ".join(_decimal(one.get(part)) for one in told)


def _signal(content: Content, track: Track, *, stretch: Stretch) -> Iterator[Resource]:
    """Give the counts of a stretch; `factor` makes them the unit."""
    blocks = track.blocks(stretch.first_block, stretch.end_block)
    while several := list(islice(blocks, _BLOCKS_AN_OBSERVATION)):
        counts: list[str] = []
        first_idx = several[0].first_sample_idx
        for block in several:
            counts += [_NO_VALUE] * (block.first_sample_idx - first_idx - len(counts))
            counts += map(str, track.counts(block.start, block.start + block.n_samples).tolist())
        t_ns = stretch.t_ns + (first_idx - stretch.first_idx) * stretch.period_ns
        until_ns = t_ns + (len(counts) - 1) * stretch.period_ns
        observation = _observation(content, track.info.kind.value, t_ns=round(t_ns), until_ns=round(until_ns))
        observation["device"] = {"display": track.info.device}
        sampled = _sampled(" ".join(counts), unit=signal_unit(track.info.unit), period_ns=stretch.period_ns)
        observation["valueSampledData"] = sampled | {"factor": track.info.unit_per_count}
        yield observation


def _observation(content: Content, code: str, *, t_ns: int, until_ns: int) -> Resource:
    period = {"start": _instant(content, t_ns), "end": _instant(content, until_ns)}
    return {"resourceType": "Observation", "status": "final", "code": coding(code), "effectivePeriod": period}


def _sampled(values: str, *, unit: str, period_ns: float) -> Resource:
    origin = {"value": 0, "unit": unit, "system": UCUM, "code": unit}
    return {"origin": origin, "period": round(period_ns / NS_PER_MS, 6), "dimensions": 1, "data": values}


def _decimal(number: float | None) -> str:
    """FHIR's data are plain decimals; nine digits after the point are beyond every bound here."""
    if number is None or not math.isfinite(number):
        return _NO_VALUE
    text = f"{number:.9f}".rstrip("0").rstrip(".")
    return "0" if text == "-0" else text


def _instant(content: Content, t_ns: int) -> str:
    unix_us = (content.started_unix_ns + t_ns) // 1_000
    seconds, us = divmod(unix_us, 1_000_000)
    return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%dT%H:%M:%S}.{us:06}Z"
