"""The constructor that sets by slots does what that of a frozen dataclass does, to the word of its errors."""

import inspect
import pickle
from dataclasses import FrozenInstanceError, InitVar, dataclass, field, replace
from typing import Any

import pytest

from becalm_protocol.derived import Index, Reason
from becalm_protocol.slots import set_by_slot


def make() -> type[Any]:
    @dataclass(frozen=True, slots=True, kw_only=True)
    class Interval:
        t_ns: int
        source: str = "ecg"
        pair: tuple[int, ...] | None = None

        def __post_init__(self) -> None:
            if self.t_ns < 0:
                raise ValueError(f"t_ns: expected 0 or more, got {self.t_ns}")

    return Interval


USUAL, QUICK = make(), set_by_slot(make())


@pytest.mark.parametrize("given", [{"t_ns": 1}, {"t_ns": 2, "pair": (1, 2)}, {"pair": None, "source": "", "t_ns": 0}])
def test_what_is_given_and_what_is_not_is_set(given: dict[str, Any]) -> None:
    assert repr(QUICK(**given)) == repr(USUAL(**given))
    assert QUICK(**given) == replace(QUICK(t_ns=9), **{"source": "ecg", "pair": None, **given})


@pytest.mark.parametrize(
    ("places", "given"), [((), {}), ((1,), {}), ((), {"t_ns": 1, "t": 2}), ((), {"source": "rr"}), ((), {"t_ns": -1})]
)
def test_what_cannot_be_made_is_told_of_in_the_same_words(places: tuple[int, ...], given: dict[str, Any]) -> None:
    with pytest.raises((TypeError, ValueError)) as usual:
        USUAL(*places, **given)
    with pytest.raises(usual.type) as quick:
        QUICK(*places, **given)
    assert str(quick.value) == str(usual.value)


def test_its_signature_stays_and_nothing_can_be_set_later() -> None:
    assert inspect.signature(QUICK) == inspect.signature(USUAL)
    with pytest.raises(FrozenInstanceError):
        QUICK(t_ns=1).t_ns = 2


def test_an_event_survives_a_pickle() -> None:
    index = Index(reason=Reason.NO_SENSOR)
    assert pickle.loads(pickle.dumps(index)) == index


def test_a_class_without_fields_can_be_made() -> None:
    @dataclass(frozen=True, slots=True, kw_only=True)
    class Nothing:
        pass

    assert set_by_slot(Nothing)() == Nothing()


def test_a_field_that_is_made_for_each_value_is_refused() -> None:
    @dataclass(frozen=True, slots=True, kw_only=True)
    class Bag:
        things: list[int] = field(default_factory=list)

    with pytest.raises(TypeError, match="things: expected a plain field"):
        set_by_slot(Bag)


def test_what_is_given_but_is_no_field_is_refused() -> None:
    @dataclass(frozen=True, slots=True, kw_only=True)
    class Rate:
        bpm: float
        rr_ms: InitVar[float]

        def __post_init__(self, rr_ms: float) -> None: ...

    with pytest.raises(TypeError, match=r"Rate\.rr_ms: expected a plain field, got an InitVar; make it a field"):
        set_by_slot(Rate)
