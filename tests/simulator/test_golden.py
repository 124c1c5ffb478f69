"""Golden values: the same seed gives the same numbers, in the units of sensors, on every supported Python.

After a change that is meant to alter people, renew the file with `BECALM_RENEW_GOLDEN=1` and say so in the change log.
"""

import json
import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from becalm_protocol.events import Pacer
from becalm_protocol.units import NS_PER_S, ns_from_s
from becalm_simulator.body import Body
from becalm_simulator.episode import Episode, EpisodeKind
from becalm_simulator.staging import seeded_disturbances

GOLDEN = Path(__file__).parent / "golden" / "bodies.json"
SEEDS = (7, 11, 4711)


def living(seed: int) -> Body:
    """Two minutes of a life in which much happens."""
    threat = Episode(kind=EpisodeKind.THREAT, start_ns=ns_from_s(20.0), end_ns=ns_from_s(40.0), amount=0.5)
    body = Body.from_seed(seed, episodes=(*seeded_disturbances(seed, seconds=120.0, per_hour=300.0), threat))
    body.hear(Pacer(started_ns=ns_from_s(45.0), inhale_s=4.0, exhale_s=6.0))
    body.until(ns_from_s(120.0))
    return body


def in_sensor_units(body: Body) -> dict[str, Any]:
    """Quantise as sensors do: uV, 0.01 N, 0.01 uS, mg, 0.01 ohm, 1/1024 s."""
    t_ns = np.arange(0, 120 * NS_PER_S, 2_500_000_000, dtype=np.int64)
    rating = body.rate(ns_from_s(60.0))
    signals = {
        "ecg_uv": body.ecg_uv(t_ns),
        "force_centi_n": 100.0 * body.force_n(t_ns),
        "conductance_centi_us": 100.0 * body.conductance_us(t_ns),
        "acceleration_mg": body.acceleration_mg(t_ns)[:, 2],
        "impedance_centi_ohm": 100.0 * body.impedance_ohm(t_ns),
        "pulse_milli": 1000.0 * body.pulse_au(t_ns),
        "beats_1024": np.asarray([beat.t_ns * 1024 / NS_PER_S for beat in body.beats()][::5]),
        "turns_ms": np.asarray([turn.t_ns / 1e6 for turn in body.turns()][::4]),
        "co2_deci_mmhg": np.asarray([10.0 * breath.co2_mmhg for breath in body.end_tidal()][::4]),
        "arousal_milli": 1000.0 * body.arousal(t_ns[::4]),
    }
    whole = {name: np.rint(levels).astype(int).tolist() for name, levels in signals.items()}
    return whole | {"rating": [rating.sensation, rating.threat, rating.suds]}


def test_the_same_seed_gives_the_same_values_in_sensor_units() -> None:
    found = {str(seed): in_sensor_units(living(seed)) for seed in SEEDS}
    if os.environ.get("BECALM_RENEW_GOLDEN"):
        GOLDEN.parent.mkdir(exist_ok=True)
        rows = (f' "{seed}": {{\n' + _lines(values) + "\n }" for seed, values in found.items())
        GOLDEN.write_text("{\n" + ",\n".join(rows) + "\n}\n", encoding="utf-8")
        pytest.skip("golden values renewed")
    assert found == json.loads(GOLDEN.read_text(encoding="utf-8"))


def _lines(values: dict[str, Any]) -> str:
    return ",\n".join(f'  "{name}": {json.dumps(numbers, separators=(",", ":"))}' for name, numbers in values.items())


def test_the_same_seed_gives_the_same_bytes_again() -> None:
    t_ns = np.arange(0, 120 * NS_PER_S, 7_692_307, dtype=np.int64)
    one, other = living(11), living(11)
    assert one.ecg_uv(t_ns).tobytes() == other.ecg_uv(t_ns).tobytes()
    assert one.acceleration_mg(t_ns).tobytes() == other.acceleration_mg(t_ns).tobytes()
    assert one.responses() == other.responses()
