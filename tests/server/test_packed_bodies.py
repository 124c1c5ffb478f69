"""Samples packed and read again: noise soon read, whatever can be made small made small, bytes of old rows as ever."""

import math
import random
import zlib
from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from becalm_server.archive.packed_bodies import SAMPLE_BYTES, deflate, inflate, inflate_counts
from becalm_server.archive.raw_rows import RR

DICE = random.Random(5)


def body_of(counts: Sequence[int], form: str = "i2") -> bytes:
    return b"".join(one.to_bytes(SAMPLE_BYTES[form], "little", signed=True) for one in counts)


def deflated_whole(counts: Sequence[int]) -> bytes:
    """As becalm once packed all rows: written out here by its definition."""
    steps = [(one - last + 32_768) % 65_536 - 32_768 for last, one in zip([0, *counts], counts, strict=False)]
    folded = [2 * step if step >= 0 else -2 * step - 1 for step in steps]
    squeezer = zlib.compressobj(9, zlib.DEFLATED, -15, 9)
    planes = bytes(one % 256 for one in folded) + bytes(one // 256 for one in folded)
    return squeezer.compress(planes) + squeezer.flush()


@st.composite
def rows_of(draw: st.DrawFn, form: str) -> list[list[int]]:
    """Rows of every length: of any numbers, of noise, of a slow wave."""
    top = 2 ** (8 * SAMPLE_BYTES[form] - 1)
    found = []
    for _ in range(draw(st.integers(0, 6))):
        width = draw(st.sampled_from([0, 3, 60, top]))
        n_samples, seed = draw(st.integers(1, 700)), draw(st.integers(0, 1000))
        dice = random.Random(seed)
        found.append([max(-top, min(top - 1, round(dice.gauss(0, width)))) for _ in range(n_samples)])
    return found


@pytest.mark.parametrize("form", ["i2", "i4"])
@given(data=st.data())
def test_rows_come_back_one_by_one_and_at_once(form: str, data: st.DataObject) -> None:
    rows = data.draw(rows_of(form))
    contents = [deflate(form, body_of(counts, form)) for counts in rows]
    assert [inflate(form, content) for content in contents] == [body_of(counts, form) for counts in rows]
    assert inflate_counts(form, contents).tolist() == [one for counts in rows for one in counts]


@given(body=st.binary(max_size=200))
def test_other_bodies_come_back(body: bytes) -> None:
    assert inflate(RR, deflate(RR, body)) == body


def test_an_empty_row_takes_nothing_from_others() -> None:
    contents = [deflate("i2", body_of(counts)) for counts in ([], [7, 8], [], [-3], [])]
    assert inflate_counts("i2", contents).tolist() == [7, 8, -3]


def test_rows_of_before_are_read_as_ever() -> None:
    noise, wave = [DICE.randrange(-500, 500) for _ in range(130)], [round(90 * math.sin(k / 9)) for k in range(130)]
    contents = [deflated_whole(noise), deflate("i2", body_of(noise)), deflated_whole(wave)]
    assert inflate_counts("i2", contents).tolist() == [*noise, *noise, *wave]


def test_noise_is_stored_and_what_repeats_is_deflated() -> None:
    noise, wave = [round(DICE.gauss(0, 40)) for _ in range(650)], [k // 3 for k in range(650)]
    whole, packed = deflated_whole(noise), deflate("i2", body_of(noise))
    steps = [one - last for last, one in zip([0, *noise], noise, strict=False)]
    assert packed[5:655] == bytes((2 * step if step >= 0 else -2 * step - 1) % 256 for step in steps)
    assert len(packed) < 1.25 * len(whole)
    assert deflate("i2", body_of(wave)) == deflated_whole(wave)


def test_long_rows_come_back() -> None:
    counts = [DICE.randrange(-100, 100) for _ in range(70_000)]  # more than a stored block can hold
    content = deflate("i2", body_of(counts))
    assert content[0] == 0
    assert inflate_counts("i2", [content]).tolist() == counts
