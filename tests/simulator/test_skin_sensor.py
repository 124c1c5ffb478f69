"""The skin-conductance sensor without a radio: lines cut anywhere, put together again, true."""

import re

import numpy as np
import pytest

from becalm_protocol.units import NS_PER_S, ns_from_s
from becalm_simulator.body import Body
from becalm_simulator.sensors.skin import UART_TX, SkinSensor

LINE = re.compile(rb"eda_us=(\d+\.\d{4}),t_ms=(\d+)\n")


@pytest.mark.parametrize("mtu", [23, 517])
def test_the_lines_put_together_are_the_conductance(mtu: int) -> None:
    body = Body.from_seed(9)
    sensor = SkinSensor(body, drift_ppb=-50_000)
    sensor.on_subscribed(UART_TX, wanted=True, now_ns=ns_from_s(4.0))
    outgoing = sensor.poll(ns_from_s(64.0), mtu=mtu)
    assert max(len(o.data) for o in outgoing) <= 20
    text = b"".join(o.data for o in outgoing)
    lines = LINE.findall(text)
    assert b"".join(b"eda_us=%s,t_ms=%s\n" % line for line in lines) == text
    assert len(lines) == sum(o.n_sent for o in outgoing)
    assert len(lines) in (479, 480)
    told_us, t_ms = np.asarray(lines, dtype=float).T
    assert np.diff(t_ms) == pytest.approx(125.0, abs=1.0)
    true_us = body.conductance_us(np.round(t_ms * 1e6 / (1 - 50e-6)).astype(np.int64))
    assert np.std(told_us - true_us) < 0.004


def test_lines_are_cut_at_many_places() -> None:
    sensor = SkinSensor(Body.from_seed(9), drift_ppb=0)
    sensor.on_subscribed(UART_TX, wanted=True, now_ns=0)
    firsts = {len(o.data) for o in sensor.poll(30 * NS_PER_S, mtu=517) if o.data.startswith(b"eda")}
    assert len(firsts) > 10


def test_it_talks_only_while_somebody_listens() -> None:
    sensor = SkinSensor(Body.from_seed(9), drift_ppb=0)
    assert sensor.due_ns() is None
    sensor.on_subscribed(UART_TX, wanted=True, now_ns=0)
    assert sensor.due_ns() == 125_000_000
    sensor.on_subscribed(UART_TX, wanted=False, now_ns=ns_from_s(1.0))
    assert sensor.due_ns() is None
    sensor.on_subscribed(UART_TX, wanted=True, now_ns=ns_from_s(2.0))
    sensor.on_disconnected()
    assert sensor.poll(ns_from_s(9.0), mtu=517) == ()
