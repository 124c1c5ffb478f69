"""A sensor's own clock: it starts somewhere of its own and runs a little fast or slow."""

from becalm_protocol.events import require, value

PPB = 1_000_000_000


@value
class DeviceClock:
    """Maps body time to the time a sensor believes in."""

    drift_ppb: int
    """How many ns a second it gains. Watch crystals stay within 100 ppm, that is 100,000 ppb."""
    epoch_ns: int = 0
    """What it shows at body time 0."""

    def __post_init__(self) -> None:
        require(abs(self.drift_ppb) <= 1_000_000, "drift_ppb", "-1,000,000 to 1,000,000", self.drift_ppb)

    def running_ns(self, body_ns: int) -> int:
        """Return the device's ns since its start."""
        return body_ns + body_ns * self.drift_ppb // PPB

    def body_ns(self, running_ns: int) -> int:
        """Return the body time at which the device has run for so long (rounded up: never before it has)."""
        return -(-running_ns * PPB // (PPB + self.drift_ppb))

    def shown_ns(self, body_ns: int) -> int:
        """Return what the device's clock shows."""
        return self.epoch_ns + self.running_ns(body_ns)
