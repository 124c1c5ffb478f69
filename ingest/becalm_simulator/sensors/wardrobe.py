"""What a body can wear: a word for each virtual sensor."""

from collections.abc import Callable, Sequence

import numpy as np

from becalm_protocol.errors import ConfigError
from becalm_simulator.body import Body
from becalm_simulator.gatt import Sensor
from becalm_simulator.sensors.belt import Belt
from becalm_simulator.sensors.bitalino import Board
from becalm_simulator.sensors.movesense import ChestSensor
from becalm_simulator.sensors.optical import ArmBand
from becalm_simulator.sensors.plain_straps import CONTACT_AND_ENERGY, WIDE_AND_LATE, WITHOUT_RR, PlainStrap
from becalm_simulator.sensors.shimmer import GsrUnit
from becalm_simulator.sensors.skin import SkinSensor
from becalm_simulator.sensors.strap import Strap

SETTING = "--wear"
USUAL = ("strap", "belt", "skin")
# Crystals of small sensors, warm or cold, old or new: within 100 ppm.
MAX_DRIFT_PPB = 100_000

Make = Callable[[Body, int], Sensor]
"""A sensor for a body, whose clock gains so many ppb."""

WARDROBE: dict[str, Make] = {
    "strap": lambda body, ppb: Strap(body, drift_ppb=ppb),
    "belt": lambda body, ppb: Belt(body, drift_ppb=ppb),
    "skin": lambda body, ppb: SkinSensor(body, drift_ppb=ppb),
    "optical": lambda body, ppb: ArmBand(body, drift_ppb=ppb),
    "optical-old": lambda body, ppb: ArmBand(body, drift_ppb=ppb, is_old=True),
    "strap-energy": lambda body, ppb: PlainStrap(body, CONTACT_AND_ENERGY, drift_ppb=ppb),
    "strap-wide": lambda body, ppb: PlainStrap(body, WIDE_AND_LATE, drift_ppb=ppb),
    "strap-without-rr": lambda body, ppb: PlainStrap(body, WITHOUT_RR, drift_ppb=ppb),
    "chest-sensor": lambda body, ppb: ChestSensor(body, drift_ppb=ppb),
    "board": lambda body, ppb: Board(body, drift_ppb=ppb),
    "gsr": lambda body, ppb: GsrUnit(body, drift_ppb=ppb),
    "skin-swapped": lambda body, ppb: SkinSensor(body, drift_ppb=ppb, is_swapped=True),
}
"""Every virtual sensor. A later entry leaves the clocks of those before it as they are."""


def wear_sensors(body: Body, names: Sequence[str] = USUAL) -> tuple[Sensor, ...]:
    """Put sensors on a body, each with a clock of its own. Raises ConfigError for one that is not there, or twice."""
    unknown = [name for name in names if name not in WARDROBE]
    if unknown or not names or len(set(names)) < len(names):
        known = ", ".join(WARDROBE)
        raise ConfigError(f"expected some of {known}, each once, got {','.join(names)}", setting=SETTING)
    rng = np.random.default_rng(np.random.SeedSequence([body.seed, 6]))
    drifts_ppb = dict(zip(WARDROBE, rng.integers(-MAX_DRIFT_PPB, MAX_DRIFT_PPB + 1, size=len(WARDROBE)), strict=True))
    return tuple(WARDROBE[name](body, int(drifts_ppb[name])) for name in names)
