"""Values refuse what cannot be, by name."""

import dataclasses

import pytest

from becalm_protocol import derived, events
from becalm_protocol.errors import CloseCode, ConfigError, DeviceDataError, LinkError, RecordingError, WireError
from becalm_protocol.units import ms_from_rr_ticks, ns_from_s, s_from_ns


def block(**changes: object) -> events.SampleBlock:
    fields: dict[str, object] = {"stream_id": "s", "received_ns": 1, "first_sample_idx": 0, "counts": (1,)}
    return events.SampleBlock(**(fields | changes))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"counts": ()}, "counts"),
        ({"counts": (2**31,)}, "counts"),
        ({"counts": (0,) * 5000}, "counts"),
        ({"counts": (0, float("nan"), 2**31)}, "counts"),
        ({"counts": (1, 10**400)}, "counts"),
        ({"first_sample_idx": -1}, "first_sample_idx"),
        ({"received_ns": 2**60}, "received_ns"),
    ],
)
def test_a_sample_block_refuses(changes: dict[str, object], field: str) -> None:
    with pytest.raises(ValueError, match=f"^{field}: expected"):
        block(**changes)


@pytest.mark.parametrize("number", [float("nan"), float("inf"), float("-inf")])
def test_a_sample_that_is_no_number_may_stand_where_one_did_not_come(number: float) -> None:
    for counts in ((number,), (number, 1), (1, number, 2)):
        assert block(counts=counts).counts is counts


@pytest.mark.parametrize("rate_hz", [0.0, -130.0, 1e9, float("nan"), None])
def test_a_sampled_stream_needs_a_possible_rate(rate_hz: float | None) -> None:
    with pytest.raises(ValueError, match="sample_rate_hz"):
        events.StreamInfo(
            stream_id="s", kind=events.SignalKind.ECG, unit="uV", unit_per_count=1.0, sample_rate_hz=rate_hz,
            clock=events.Clock.DEVICE, device="x",
        )  # fmt: skip


def test_sample_rate_unit_and_clock_have_no_defaults() -> None:
    required = {f.name for f in dataclasses.fields(events.StreamInfo) if f.default is dataclasses.MISSING}
    assert {"unit", "unit_per_count", "clock"} <= required


def test_an_index_has_a_value_and_a_bound_or_a_reason() -> None:
    derived.Index(value=1.0, bound=0.1)
    derived.Index(reason=derived.Reason.NOISY)
    for wrong in ({"value": 1.0}, {"bound": 1.0}, {}, {"value": 1.0, "bound": 1.0, "reason": derived.Reason.FLAT}):
        with pytest.raises(ValueError, match="expected"):
            derived.Index(**wrong)


def test_only_a_usable_signal_has_a_caution() -> None:
    kind, hum = events.SignalKind.ECG, derived.Reason.POWERLINE
    derived.SignalQuality(t_ns=1, emitted_ns=2, kind=kind, caution=hum)
    with pytest.raises(ValueError, match="caution: expected none beside a reason"):
        derived.SignalQuality(t_ns=1, emitted_ns=2, kind=kind, reason=derived.Reason.NOISY, caution=hum)


@pytest.mark.parametrize("index", [float("nan"), float("inf"), float("-inf")])
def test_a_window_holds_finite_values_only(index: float) -> None:
    with pytest.raises(ValueError, match="HRV_SDNN: expected a finite value"):
        derived.HrvWindow(t_ns=1, emitted_ns=2, window_s=60.0, n_beats=3, indices={"HRV_SDNN": index})


def test_a_gap_does_not_end_before_it_starts() -> None:
    with pytest.raises(ValueError, match="end_ns"):
        events.Gap(stream_id="s", received_ns=1, start_ns=5, end_ns=4, reason=events.GapReason.LINK_LOST)


def test_units() -> None:
    assert ns_from_s(1.5) == 1_500_000_000
    assert s_from_ns(1_500_000_000) == 1.5
    assert ms_from_rr_ticks(1024) == 1000.0


def test_errors_carry_their_fields_and_show_few_bytes() -> None:
    device = DeviceDataError("expected 10 bytes", device="polar_pmd", data=bytes(100))
    assert len(device.data) == 32
    assert str(device).startswith("polar_pmd: expected 10 bytes; got 00 00")
    assert LinkError("Bluetooth is off", advice="Switch it on.").advice in str(LinkError("x", advice="Switch it on."))
    assert WireError("x").close_code is CloseCode.MALFORMED
    assert str(ConfigError("expected a port", setting="--port")) == "--port: expected a port"
    assert str(RecordingError("no columns", path="a.csv")) == "a.csv: no columns"
