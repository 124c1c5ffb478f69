"""How far each response raises the skin, from trough to peak."""

import numpy as np
import pytest

from becalm_protocol.units import NS_PER_S
from becalm_simulator.body import Body
from becalm_simulator.episode import Episode, EpisodeKind
from becalm_simulator.rises import true_rises
from becalm_simulator.skin import PEAK_S


@pytest.fixture(scope="module")
def body() -> Body:
    threat = Episode(kind=EpisodeKind.THREAT, start_ns=60 * NS_PER_S, end_ns=240 * NS_PER_S)
    lived = Body.from_seed(40, episodes=(threat,))
    lived.until(400 * NS_PER_S)
    return lived


def test_a_rise_is_the_highest_of_the_skin_less_the_lowest(body: Body) -> None:
    responses, rises = body.responses(), true_rises(body)
    assert [rise.onset_ns for rise in rises] == [response.onset_ns for response in responses]
    for rise in rises:
        t_ns = np.arange(rise.onset_ns, rise.peak_ns + 1, NS_PER_S // 50)
        level_us = body.skin_us(t_ns)
        assert rise.height_us == pytest.approx(level_us[-1] - level_us.min(), abs=1e-9)
        assert 0 < rise.peak_ns - rise.onset_ns <= 5 * NS_PER_S


def test_one_alone_rises_by_its_amplitude_and_one_on_a_falling_flank_by_less(body: Body) -> None:
    responses, rises = body.responses(), true_rises(body)
    alone, behind = 0, 0
    for before, response, rise in zip(responses, responses[1:], rises[1:], strict=False):
        apart_s = (response.onset_ns - before.onset_ns) / NS_PER_S
        falling_us_s = before.amplitude_us / 5.5 * np.exp(-apart_s / 5.5)
        if apart_s > 25.0 and response.amplitude_us > 0.15:
            alone += 1
            assert rise.height_us == pytest.approx(response.amplitude_us, abs=0.05)
            assert (rise.peak_ns - rise.onset_ns) / NS_PER_S == pytest.approx(PEAK_S, abs=0.6)
        elif 2.0 < apart_s < 5.0 and falling_us_s > 0.04:
            behind += 1
            assert rise.height_us < response.amplitude_us
    assert alone > 0
    assert behind > 0


def test_one_that_begins_as_the_life_ends_has_not_risen(body: Body) -> None:
    onset_ns = body.responses()[3].onset_ns
    shorter = Body.from_seed(40, episodes=body.episodes())
    shorter.until(onset_ns + NS_PER_S // 100)
    assert shorter.responses()[-1].onset_ns == onset_ns
    assert true_rises(shorter)[-1].height_us < 0.01
