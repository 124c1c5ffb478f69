"""A chest strap like those that measure ECG and acceleration on command: neutral name, real manners."""

import numpy as np
from numpy.typing import NDArray

from becalm_protocol.events import SignalKind
from becalm_simulator.body import Body
from becalm_simulator.gatt import ATT_HEADER_BYTES
from becalm_simulator.sensors.device_clock import DeviceClock
from becalm_simulator.sensors.heart_rate import Manner
from becalm_simulator.sensors.heart_sensor import CHEST, CLOCK_EPOCH_NS, HeartSensor, Make
from becalm_simulator.sensors.polar_control import ACC, ECG, ECG_RATE_HZ, RANGE, RATE, RESOLUTION, Offer
from becalm_simulator.sensors.polar_stream import Layout, SampledStream

NOISE_UV = 8.0
NOISE_MG = 1.0

ECG_LAYOUT = Layout(measurement=ECG, form=0, sample_bytes=3, n_samples=73, kinds=(SignalKind.ECG,))
ACC_LAYOUT = Layout(
    measurement=ACC,
    form=1,
    sample_bytes=2,
    n_samples=36,
    kinds=(SignalKind.ACCELERATION_X, SignalKind.ACCELERATION_Y, SignalKind.ACCELERATION_Z),
)
OFFERS = (
    Offer(
        kind=ECG,
        settings={RATE: (ECG_RATE_HZ,), RESOLUTION: (14,)},
        min_mtu=ECG_LAYOUT.frame_bytes() + ATT_HEADER_BYTES,
    ),
    Offer(
        kind=ACC,
        settings={RATE: (200, 100, 50, 25), RESOLUTION: (16,), RANGE: (8, 4, 2)},
        min_mtu=ACC_LAYOUT.frame_bytes() + ATT_HEADER_BYTES,
    ),
)
_MAKE = Make(
    name="SIM-HR 0001",
    address="F0:51:4D:00:00:01",
    model="SIM-HR",
    location=CHEST,
    manner=Manner(),
    offers=OFFERS,
)


class Strap(HeartSensor):
    """A virtual chest strap on a body: heart rate and RR, ECG and acceleration in whole mg."""

    def __init__(self, body: Body, *, drift_ppb: int, battery_pct: int = 87) -> None:
        clock = DeviceClock(drift_ppb=drift_ppb, epoch_ns=CLOCK_EPOCH_NS)
        ecg_noise = np.random.default_rng(np.random.SeedSequence([body.seed, 3]))
        acc_noise = np.random.default_rng(np.random.SeedSequence([body.seed, 31]))

        def ecg_uv(t_ns: NDArray[np.int64]) -> NDArray[np.float64]:
            return (body.ecg_uv(t_ns) + NOISE_UV * ecg_noise.standard_normal(len(t_ns)))[:, np.newaxis]

        def acceleration_mg(t_ns: NDArray[np.int64]) -> NDArray[np.float64]:
            return body.acceleration_mg(t_ns) + NOISE_MG * acc_noise.standard_normal((len(t_ns), 3))

        super().__init__(
            body,
            _MAKE,
            clock=clock,
            streams={
                ECG: SampledStream(clock, ECG_LAYOUT, signal=ecg_uv),
                ACC: SampledStream(clock, ACC_LAYOUT, signal=acceleration_mg),
            },
            kinds=(SignalKind.ECG, *ACC_LAYOUT.kinds),
            battery_pct=battery_pct,
        )
