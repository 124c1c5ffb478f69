"""The language of faults: what is said is what is meant, and refusals name what is allowed."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from becalm_protocol.errors import ConfigError
from becalm_protocol.units import NS_PER_MS, NS_PER_S
from becalm_simulator.faults import Fault, FaultKind, known_faults, parse_fault
from becalm_simulator.faults.language import FORMS, Span

words = st.text("abcdefghijklmnopqrstuvwxyzABCXYZ0123456789-_.:", min_size=1, max_size=20)

PIECES = ["t=1", "t=x", "silent", "delay", "lose", "for", "5", "-1", "1e3", "sensor="]


@st.composite
def faults(draw: st.DrawFn) -> Fault:
    kind = draw(st.sampled_from(FaultKind))
    form = FORMS[kind]
    span_ms = draw(st.integers(100, 3_600_000))
    has_span = form.span is Span.REQUIRED or (form.span is Span.OPTIONAL and draw(st.booleans()))
    amount = draw(st.integers(form.amount.low, form.amount.high)) if form.amount else None
    return Fault(
        at_ns=draw(st.integers(0, 86_400_000)) * NS_PER_MS,
        kind=kind,
        span_ns=span_ms * NS_PER_MS if has_span else None,
        amount=amount,
        sensor=None if form.of_adapter else draw(st.none() | words),
    )


@given(faults())
def test_a_fault_is_its_line_and_a_line_its_fault(fault: Fault) -> None:
    assert parse_fault(str(fault)) == fault
    assert parse_fault(f"  {str(fault).replace(' ', '   ')} ") == fault


@given(st.text(max_size=60) | st.lists(st.sampled_from(PIECES)).map(" ".join))
def test_any_other_line_is_refused_in_words(text: str) -> None:
    try:
        line = str(parse_fault(text))
    except ConfigError as exc:
        line, told = None, str(exc)
    if line is None:
        assert told.startswith("fault: `")
    else:
        assert str(parse_fault(line)) == line


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("t=60 silent 20", Fault(at_ns=60 * NS_PER_S, kind=FaultKind.SILENT, span_ns=20 * NS_PER_S)),
        ("t=1.5 drop sensor=belt", Fault(at_ns=1500 * NS_PER_MS, kind=FaultKind.DROP, sensor="belt")),
        (
            "t=0 delay 250 for 9.25",
            Fault(at_ns=0, kind=FaultKind.DELAY, amount=250, span_ns=9250 * NS_PER_MS),
        ),
        ("t=3 clock_jump -500", Fault(at_ns=3 * NS_PER_S, kind=FaultKind.CLOCK_JUMP, amount=-500)),
        ("t=3 small_mtu 64", Fault(at_ns=3 * NS_PER_S, kind=FaultKind.SMALL_MTU, amount=64)),
    ],
)
def test_lines_and_what_they_mean(line: str, expected: Fault) -> None:
    assert parse_fault(line) == expected


@pytest.mark.parametrize(
    ("line", "why"),
    [
        ("", "time: expected a first word t=SECONDS, got ''"),
        ("60 silent 20", "time: expected a first word t=SECONDS, got '60'"),
        ("t=soon silent 20", "t: expected seconds such as 20 or 0.5, got 'soon'"),
        ("t=-1 drop", "t: expected seconds such as 20 or 0.5, got '-1'"),
        ("t=86401 drop", "t: expected 0 to 86400 s, got 86401"),
        ("t=1 silent", "silent S: expected seconds such as 20 or 0.5, got ''"),
        ("t=1 silent 0.05", "silent S: expected 0.1 to 3600 s, got 0.05"),
        ("t=1 silent 3601", "silent S: expected 0.1 to 3600 s, got 3601"),
        ("t=1 silent 20 30", "silent: expected `t=S silent S [sensor=NAME]`, got '30'"),
        ("t=1 drop 5", "drop: expected `t=S drop [sensor=NAME]`, got '5'"),
        ("t=1 delay for 5", "delay MS: expected a whole number of ms, got 'for'"),
        ("t=1 delay 200", "delay: expected `t=S delay MS for S`, got ''"),
        ("t=1 delay 0 for 5", "delay MS: expected 1 to 5000 ms, got 0"),
        ("t=1 lose 1001", "lose N: expected 1 to 1000 notifications, got 1001"),
        ("t=1 small_mtu 22", "small_mtu N: expected 23 to 516 bytes, got 22"),
        ("t=1 clock_jump 86400001", "clock_jump MS: expected -86400000 to 86400000 ms, got 86400001"),
        ("t=1 dead_battery 0", "dead_battery FADE_S: expected 1 to 3600 s, got 0"),
        ("t=1 needs_bonding 5", "needs_bonding: expected `t=S needs_bonding [sensor=NAME]`, got '5'"),
        ("t=1 adapter_gone 5 sensor=belt", "adapter_gone sensor: expected none, for it befalls the adapter"),
        ("t=1 drop sensor=", "sensor: expected 1 to 64 printable characters, got ''"),
    ],
)
def test_refusals_name_what_is_wrong_and_what_is_allowed(line: str, why: str) -> None:
    with pytest.raises(ConfigError) as refused:
        parse_fault(line)
    assert why in str(refused.value)


def test_an_unknown_fault_is_told_all_that_are_known() -> None:
    with pytest.raises(ConfigError, match="kind: expected a known fault, got 'gremlin'") as refused:
        parse_fault("t=1 gremlin")
    for kind in FaultKind:
        assert f"`{FORMS[kind].text(kind)}`" in str(refused.value)
    assert known_faults() in str(refused.value)


def test_the_manual_has_every_kind_in_its_form() -> None:
    manual = (Path(__file__).parents[2] / "docs" / "virtual_radio.md").read_text(encoding="utf-8")
    for kind, form in FORMS.items():
        assert f"| `t=S {form.text(kind)}` |" in manual


@pytest.mark.parametrize(
    ("wrong", "why"),
    [
        ({"kind": FaultKind.SILENT}, "silent S: expected 0.1 to 3600 s, got None"),
        ({"kind": FaultKind.DROP, "span_ns": NS_PER_S}, "drop S: expected none"),
        ({"kind": FaultKind.DROP, "amount": 3}, "drop: expected no number, got 3"),
        ({"kind": FaultKind.LOSE}, "lose N: expected 1 to 1000 notifications, got None"),
        ({"kind": FaultKind.DROP, "sensor": "two words"}, "sensor: expected one word"),
    ],
)
def test_a_fault_made_in_code_is_held_to_the_same(wrong: dict[str, object], why: str) -> None:
    with pytest.raises(ValueError, match=why.split(":", maxsplit=1)[0]) as refused:
        Fault(at_ns=0, **wrong)  # type: ignore[arg-type]
    assert why in str(refused.value)
