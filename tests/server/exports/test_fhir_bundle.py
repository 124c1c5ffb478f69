"""FHIR R4 validated by fhir.resources, its codes held against the table of terminology, its data against the store."""

import json
from datetime import datetime
from typing import Any

import pytest

from becalm_protocol.derived import PIPELINE_VERSION, Metrics, SlowMetrics
from becalm_protocol.events import SignalKind
from becalm_server.exports.fhir_codes import LOCAL, LOINC, LOINC_OF, coding, index_unit, signal_unit

INDICES = (*Metrics.index_names(), *SlowMetrics.index_names())
Resource = dict[str, Any]


def observations(data: bytes) -> list[Resource]:
    entries = json.loads(data)["entry"]
    return [one["resource"] for one in entries if one["resource"]["resourceType"] == "Observation"]


def local_code(resource: Resource) -> str:
    return str(next(one["code"] for one in resource["code"]["coding"] if one["system"] == LOCAL))


def numbers(sampled: Resource) -> list[float | None]:
    factor = sampled.get("factor", 1)
    return [None if text == "E" else float(text) * factor for text in sampled["data"].split(" ")]


def test_terminology() -> None:
    """LOINC 80404-7 is SDNN; RMSSD, skin conductance and all others have no code and borrow none."""
    assert {name: code for name, (code, _) in LOINC_OF.items()} == {
        "heart_rate_bpm": "8867-4",
        "breathing_rate_bpm": "9279-1",
        "sdnn_ms": "80404-7",
        "sdnn_300s_ms": "80404-7",
    }
    for name in (*INDICES, *SignalKind):
        systems = [one["system"] for one in coding(name)["coding"]]
        assert systems == ([LOINC, LOCAL] if name in LOINC_OF else [LOCAL]), name
    assert not any("rmssd" in name or "sc" in name or "skin" in name for name in LOINC_OF)


def test_units_are_those_of_ucum() -> None:
    assert {name: index_unit(name) for name in ("heart_rate_bpm", "rmssd_ms", "lf_ms2", "scl_us", "half_life_s")} == {
        "heart_rate_bpm": "/min", "rmssd_ms": "ms", "lf_ms2": "ms2", "scl_us": "uS", "half_life_s": "s",
    }  # fmt: skip
    assert (index_unit("scr_per_min"), index_unit("arousal"), index_unit("lf_hf")) == ("/min", "{score}", "1")
    assert [signal_unit(unit) for unit in ("uV", "mg", "au", "dps")] == ["uV", "m[g]", "[arb'U]", "deg/s"]


async def test_the_bundle_is_valid_r4(session_id: str, export: Any) -> None:
    bundle = pytest.importorskip("fhir.resources.R4B.bundle", reason="the validator fhir.resources is not installed")
    read = bundle.Bundle.model_validate_json(export(session_id, "fhir"))
    assert len(read.entry) == 1 + 6 + len(INDICES)
    assert len({one.fullUrl for one in read.entry}) == len(read.entry)
    system = read.entry[0].resource
    assert set(INDICES) | set(SignalKind) <= {concept.code for concept in system.concept}


async def test_a_session_without_data_is_a_bundle_of_codes(empty_session_id: str, export: Any) -> None:
    data = export(empty_session_id, "fhir")
    assert observations(data) == []
    assert len(json.loads(data)["entry"]) == 1


async def test_signals_come_back_count_by_count(session_id: str, recording: Any, export: Any) -> None:
    told = observations(export(session_id, "fhir"))
    for kind, infos in (("ecg", (recording.ecg, recording.ecg_2)), ("respiration", (recording.belt,)),
                        ("ppg_1", (recording.light,))):  # fmt: skip
        found = [one["valueSampledData"] for one in told if local_code(one) == kind]
        expected = [count * info.unit_per_count for info in infos for count in recording.counts_of(info)]
        assert [value for sampled in found for value in numbers(sampled)] == expected
    ecg = [one for one in told if local_code(one) == "ecg"]
    assert len(ecg) == 3  # the first strap before and after its gap, and the second strap
    assert ecg[0]["valueSampledData"]["period"] == pytest.approx(1000 / 130.16, rel=1e-4)
    ends = [datetime.fromisoformat(one["effectivePeriod"][end]) for one in ecg[:2] for end in ("start", "end")]
    assert (ends[2] - ends[1]).total_seconds() == pytest.approx(20.0, abs=0.1)


async def test_indices_have_bounds_and_say_what_is_withheld(session_id: str, export: Any) -> None:
    told = {local_code(one): one for one in observations(export(session_id, "fhir"))}
    rate = told["heart_rate_bpm"]
    assert numbers(rate["valueSampledData"]) == [None] * 10 + [60.0 + n / 8 for n in range(11, 91)]
    assert rate["valueSampledData"]["period"] == 1000
    (bound,) = rate["component"]
    assert numbers(bound["valueSampledData"]) == [None] * 10 + [0.5] * 80
    assert rate["method"]["text"] == f"becalm pipeline {PIPELINE_VERSION}, defined in docs/indices.md"
    assert told["scl_us"]["dataAbsentReason"]["text"] == "Withheld all the time"
    assert "valueSampledData" not in told["scl_us"]
    assert told["sdnn_ms"]["valueSampledData"]["period"] == 5000
    assert rate["effectivePeriod"]["start"] == "2025-11-22T08:26:41.250000Z"


async def test_nothing_names_a_person(session_id: str, export: Any) -> None:
    data = export(session_id, "fhir")
    assert b"Anna" not in data
    assert all("subject" not in one and "performer" not in one for one in observations(data))
