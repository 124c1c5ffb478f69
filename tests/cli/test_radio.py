"""The bench of the virtual radio: its plans, its tap, its readings, and a few faults from end to end."""

import json
import struct
from collections.abc import Callable
from subprocess import CompletedProcess

import pytest
from tests.cli.radio_log import BELT, SKIN, STRAP, force, heard

from becalm_cli.radio_account import (
    ALTERED,
    DUPLICATED,
    LOST,
    STORED,
)
from becalm_cli.radio_messages import read_messages
from becalm_cli.radio_plan import KINDS, plan_sha256, plan_wearers
from becalm_cli.radio_tap import Heard, Tap
from becalm_protocol.errors import ConfigError
from becalm_protocol.units import NS_PER_S
from becalm_simulator.population import MAX_SEED
from becalm_simulator.sensors.belt import RESPONSE
from becalm_simulator.sensors.heart_rate import HEART_RATE
from becalm_simulator.sensors.polar_stream import PMD_DATA
from becalm_simulator.sensors.skin import UART_TX

Becalm = Callable[..., "CompletedProcess[str]"]


# -------------------------------------------------------------------------------------------------------------- plan
def test_the_seed_decides_the_whole_plan() -> None:
    plans = plan_wearers(n_faults=1000, n_wearers=16, seed=5)
    assert plan_sha256(plans) == plan_sha256(plan_wearers(n_faults=1000, n_wearers=16, seed=5))
    assert plan_sha256(plans) != plan_sha256(plan_wearers(n_faults=1000, n_wearers=16, seed=6))
    assert sorted(len(plan.steps) for plan in plans) == [62] * 8 + [63] * 8
    assert {step.fault.kind for plan in plans for step in plan.steps} == set(KINDS)


def test_nobody_wears_sensors_without_a_fault_and_seeds_have_an_end() -> None:
    assert len(plan_wearers(n_faults=3, n_wearers=8, seed=0)) == 3
    with pytest.raises(ConfigError, match="seed: expected 0 to"):
        plan_wearers(n_faults=8, n_wearers=2, seed=MAX_SEED)


# --------------------------------------------------------------------------------------------------------------- tap
async def test_the_tap_keeps_what_it_passes_on_and_numbers_connections() -> None:
    class Client:
        address = SKIN

        async def connect(self) -> None:
            pass

        async def start_notify(self, characteristic: Heard, callback: Callable[[bytearray], None]) -> None:
            callback(bytearray(b"abc"))

    tap = Tap()
    passed: list[bytearray] = []
    for _ in range(2):
        client = tap.on(Client)()
        await client.connect()
        await client.start_notify(heard(UART_TX, b"", 0.0), passed.append)
    assert passed == [bytearray(b"abc")] * 2
    assert [(h.address, h.uuid, h.link, h.data) for h in tap.heard] == [(SKIN, UART_TX, n, b"abc") for n in (1, 2)]
    assert all(h.before_ns <= h.after_ns for h in tap.heard)


# ---------------------------------------------------------------------------------------------------------- messages
def test_measurements_are_read_apart_from_answers() -> None:
    frame = struct.pack("<BQB", 0, 10 * NS_PER_S, 0) + b"\x01\x00\x00\xff\xff\xff"
    messages, others = read_messages(
        [
            heard(HEART_RATE, bytes((0x10, 60)) + struct.pack("<2H", 1000, 1024), 1.0, address=STRAP),
            heard(PMD_DATA, frame, 1.1, address=STRAP),
            force(1.2, 2_500, 9),
            heard(RESPONSE, bytes((0x98, 6, 1, 0, 0x18, 1)), 1.3, address=BELT),
        ]
    )
    assert [message.samples for message in messages] == [(1000, 1024), (1, -1), (2500,)]
    assert others == [3]
    assert messages[1].first_ns == 10 * NS_PER_S - 7_692_308


def test_a_line_in_pieces_is_one_message_and_a_torn_one_is_told_apart() -> None:
    pieces = [b"eda_us=1.0", b"000,t_ms=125\neda", b"_us=", b"us=2.0,t_ms=250\nrest"]
    messages, _ = read_messages([heard(UART_TX, piece, at_s) for at_s, piece in enumerate(pieces)])
    assert [(m.pieces, m.samples, m.is_whole) for m in messages] == [
        ([0, 1], (10_000,), True),
        ([1, 2, 3], (), False),
        ([3], (), False),
    ]


# --------------------------------------------------------------------------------------------------------- the bench
def test_a_few_faults_lose_and_double_nothing_on_the_way_to_the_archive(becalm: Becalm) -> None:
    done = becalm("bench", "radio", "--faults", 6, "--wearers", 3, "--seed", SMALL_SEED)
    assert done.returncode == 0, done.stderr
    report = json.loads(done.stdout)
    assert (report["plan"]["faults"], report["plan"]["wearers"]) == (6, 3)
    assert report["reconnect_s"]["all"]["n"] == 6
    assert report["reconnect_s"]["all"]["stayed_away"] == 0
    told = report["notifications"]
    assert told[STORED] > 300
    assert told[LOST] == told[DUPLICATED] == told[ALTERED] == told["stored_but_never_delivered"] == 0
    assert report["sequence_numbers"] == {"missing": 0, "repeated": 0}
    assert report["steps_back"] == {"received_ns": 0, "first_sample_idx": 0, "beats": 0}
    assert report["gaps"]["gaps"] > 0
    assert report["agents"]["left"] == report["agents"]["refused"] == 0
    assert report["beat_time_error_ms"]["all"]["n"] > 0


SMALL_SEED = 2442
"""Its six faults are short ones, of six kinds."""
