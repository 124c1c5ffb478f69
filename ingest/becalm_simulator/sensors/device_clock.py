"""A sensor's own clock: it starts somewhere of its own, runs a little fast or slow, and can start anew or jump."""

from becalm_protocol.events import require

PPB = 1_000_000_000


class DeviceClock:
    """Maps body time to the time a sensor believes in.

    How long it has run never leaps, so that a sensor goes on measuring; what it shows may.
    """

    def __init__(self, *, drift_ppb: int, epoch_ns: int = 0) -> None:
        require(abs(drift_ppb) <= 1_000_000, "drift_ppb", "-1,000,000 to 1,000,000", drift_ppb)
        self.drift_ppb = drift_ppb
        """How many ns a second it gains. Watch crystals stay within 100 ppm, that is 100,000 ppb."""
        self.epoch_ns = epoch_ns
        """What it shows where it has run for 0 ns, reckoned back from what it shows now."""
        self._first_ns = epoch_ns

    def running_ns(self, body_ns: int) -> int:
        """Return the device's ns since its start."""
        return body_ns + body_ns * self.drift_ppb // PPB

    def body_ns(self, running_ns: int) -> int:
        """Return the body time at which the device has run for so long (rounded up: never before it has)."""
        return -(-running_ns * PPB // (PPB + self.drift_ppb))

    def shown_ns(self, body_ns: int) -> int:
        """Return what the device's clock shows: never less than its first moment."""
        return max(self.epoch_ns + self.running_ns(body_ns), self._first_ns)

    def restart(self, body_ns: int) -> None:
        """Show the first moment again, from this body time on."""
        self.epoch_ns = self._first_ns - self.running_ns(body_ns)

    def jump(self, by_ns: int, *, body_ns: int) -> None:
        """Show so much more, or less, but not less than the first moment."""
        self.epoch_ns = max(self.epoch_ns + by_ns, self._first_ns - self.running_ns(body_ns))
