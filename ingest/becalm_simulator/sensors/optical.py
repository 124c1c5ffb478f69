"""Optical arm bands: light, acceleration and pulse intervals on command, a heart rate without RR. Two generations."""

import numpy as np
from numpy.typing import NDArray

from becalm_protocol.events import SignalKind
from becalm_simulator.body import Body
from becalm_simulator.sensors.device_clock import DeviceClock
from becalm_simulator.sensors.heart_rate import Manner
from becalm_simulator.sensors.heart_sensor import ARM, CLOCK_EPOCH_NS, HeartSensor, Make
from becalm_simulator.sensors.polar_control import ACC, CHANNELS, PPG, PPI, RANGE, RATE, RESOLUTION, Offer
from becalm_simulator.sensors.polar_stream import COMPRESSED, Layout, SampledStream
from becalm_simulator.sensors.pulse_intervals import PulseIntervals
from becalm_simulator.sensors.strap import ACC_LAYOUT, NOISE_MG

PPG_KINDS = (SignalKind.PPG_1, SignalKind.PPG_2, SignalKind.PPG_3, SignalKind.PPG_AMBIENT)
# Light that comes back, and what one pulse takes away from it, in counts of the converter; each light is a little
# different, the last is the one from outside.
LIGHT_COUNTS = (410_000, 395_000, 428_000, 6_000)
PULSE_COUNTS = (5_200, 4_700, 5_900, 0)
AMBIENT_COUNTS = 2_500
NOISE_COUNTS = 60.0
MIN_MTU = 70

# The newer one: compressed, acceleration in steps of its range. Its firmware tells 135 Hz for PPG and has 55 Hz.
NEW_PPG = Layout(measurement=PPG, form=COMPRESSED, sample_bytes=3, n_samples=22, kinds=PPG_KINDS)
NEW_ACC = Layout(measurement=ACC, form=COMPRESSED, sample_bytes=2, n_samples=52, kinds=ACC_LAYOUT.kinds)
NEW_PPG_RATE_HZ, NEW_PPG_TOLD_HZ, NEW_ACC_RATE_HZ = 55, 135, 52
RANGE_G = 8
G_PER_COUNT = RANGE_G / 2**15
# The older one: as it comes, acceleration in whole mg. It tells 130 Hz and has 135 Hz.
OLD_PPG = Layout(measurement=PPG, form=0, sample_bytes=3, n_samples=18, kinds=PPG_KINDS)
OLD_PPG_RATE_HZ, OLD_PPG_TOLD_HZ, OLD_ACC_RATE_HZ = 135, 130, 50

NEW_OFFERS = (
    Offer(
        kind=PPG,
        settings={RATE: (NEW_PPG_TOLD_HZ,), RESOLUTION: (22,), CHANNELS: (4,)},
        min_mtu=MIN_MTU,
        factor=1.0,
    ),
    Offer(
        kind=ACC,
        settings={RATE: (NEW_ACC_RATE_HZ,), RESOLUTION: (16,), RANGE: (RANGE_G,), CHANNELS: (3,)},
        min_mtu=MIN_MTU,
        factor=G_PER_COUNT,
    ),
    Offer(kind=PPI, settings={}, min_mtu=MIN_MTU),
)
OLD_OFFERS = (
    Offer(kind=PPG, settings={RATE: (OLD_PPG_TOLD_HZ,), RESOLUTION: (22,)}, min_mtu=MIN_MTU),
    Offer(kind=ACC, settings={RATE: (OLD_ACC_RATE_HZ,), RESOLUTION: (16,), RANGE: (RANGE_G,)}, min_mtu=MIN_MTU),
    Offer(kind=PPI, settings={}, min_mtu=MIN_MTU),
)
# While pulse intervals are worked out the heart rate is renewed every five seconds only.
_MANNER = Manner(rr_every_s=None, tells_contact=True, rate_every_s=5)
_NEW = Make(
    name="SIM-OPT 0001", address="F0:51:4D:00:01:01", model="SIM-OPT", location=ARM, manner=_MANNER, offers=NEW_OFFERS
)
_OLD = Make(
    name="SIM-OPT 0002", address="F0:51:4D:00:01:02", model="SIM-OPT", location=ARM, manner=_MANNER, offers=OLD_OFFERS
)


class ArmBand(HeartSensor):
    """A virtual optical arm band on a body; `is_old`: of the generation that does not compress."""

    def __init__(self, body: Body, *, drift_ppb: int, is_old: bool = False, battery_pct: int = 74) -> None:
        clock = DeviceClock(drift_ppb=drift_ppb, epoch_ns=CLOCK_EPOCH_NS)
        light_noise = np.random.default_rng(np.random.SeedSequence([body.seed, 32]))
        acc_noise = np.random.default_rng(np.random.SeedSequence([body.seed, 33]))
        mg_per_count = 1.0 if is_old else 1000 * G_PER_COUNT

        def light_counts(t_ns: NDArray[np.int64]) -> NDArray[np.float64]:
            pulse, ambient = body.pulse_au(t_ns)[:, np.newaxis], body.ambient_light_au(t_ns)
            counts = np.asarray(LIGHT_COUNTS) - np.asarray(PULSE_COUNTS) * pulse
            counts[:, -1] += AMBIENT_COUNTS * ambient
            shown = counts + NOISE_COUNTS * light_noise.standard_normal(counts.shape)
            return np.asarray(np.clip(shown, -(2**21), 2**21 - 1))

        def acceleration_counts(t_ns: NDArray[np.int64]) -> NDArray[np.float64]:
            shown_mg = body.acceleration_mg(t_ns) + NOISE_MG * acc_noise.standard_normal((len(t_ns), 3))
            return np.asarray(np.clip(shown_mg / mg_per_count, -(2**15), 2**15 - 1))

        light = SampledStream(
            clock,
            OLD_PPG if is_old else NEW_PPG,
            signal=light_counts,
            true_rate_hz=OLD_PPG_RATE_HZ if is_old else NEW_PPG_RATE_HZ,
        )
        super().__init__(
            body,
            _OLD if is_old else _NEW,
            clock=clock,
            streams={
                PPG: light,
                ACC: SampledStream(clock, ACC_LAYOUT if is_old else NEW_ACC, signal=acceleration_counts),
                PPI: PulseIntervals(body, clock, is_stamped=not is_old, tag=34),
            },
            kinds=(*PPG_KINDS, *ACC_LAYOUT.kinds, SignalKind.PPI),
            battery_pct=battery_pct,
        )
