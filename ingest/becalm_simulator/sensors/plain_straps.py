"""Straps with nothing but the Heart Rate Service, in the manners that makers have."""

from becalm_simulator.body import Body
from becalm_simulator.sensors.device_clock import DeviceClock
from becalm_simulator.sensors.heart_rate import Manner
from becalm_simulator.sensors.heart_sensor import CHEST, CLOCK_EPOCH_NS, HeartSensor, Make

CONTACT_AND_ENERGY = Make(
    name="SIM-HR 0002",
    address="F0:51:4D:00:02:02",
    model="SIM-HR E",
    location=CHEST,
    manner=Manner(tells_contact=True, tells_energy=True),
)
WIDE_AND_LATE = Make(
    name="SIM-HR 0003",
    address="F0:51:4D:00:02:03",
    model="SIM-HR W",
    location=CHEST,
    manner=Manner(is_wide=True, rr_every_s=3),
)
"""The rate in 16 bits, and three seconds of intervals at once."""
WITHOUT_RR = Make(
    name="SIM-HR 0004",
    address="F0:51:4D:00:02:04",
    model="SIM-HR N",
    location=CHEST,
    manner=Manner(rr_every_s=None, tells_contact=True),
)


class PlainStrap(HeartSensor):
    """A virtual strap without measurements on command."""

    def __init__(self, body: Body, make: Make, *, drift_ppb: int, battery_pct: int = 61) -> None:
        clock = DeviceClock(drift_ppb=drift_ppb, epoch_ns=CLOCK_EPOCH_NS)
        super().__init__(body, make, clock=clock, streams={}, kinds=(), battery_pct=battery_pct)
