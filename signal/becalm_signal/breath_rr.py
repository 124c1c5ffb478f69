"""Breathing from nothing but the intervals of the heart: they shorten with inhalation, in who has such a rhythm.

The last choice, for a strap that tells no more. Other rhythms of the heart are larger in many people, the slow waves of
blood pressure above all: power is weighed by its rate, and a rate is told only where one wave is clear of all others.
Who breathes without moving the heart, as most in intensive care, is told nothing, and a slow or a quick breath only in
the company of a pacer (`breath_board`).
"""

from becalm_protocol.derived import Beat, BeatFlag
from becalm_protocol.units import NS_PER_S
from becalm_signal.breath_spectrum import BreathSpectrum
from becalm_signal.breath_trace import TraceBreath, Turn

WINDOW_S = 32.0
# The heart wanders by more the slower it does, and breath moves it by less the quicker it is.
TILT = 1.6
# Forty virtual people with a pacer, forty without: 29 and 5 % of the time told, 95 and 100 % of it within the bound.
SHARP, BLURRED = 0.65, 0.55
# Two intervals around an early beat are left out.
LONGEST_STEP_S = 4.0


class RrBreath:
    """Turns of the breath in confirmed beats. A heart that quickens is taken for inhalation: a convention.

    Notes
    -----
    Delay: 3 to 12 s behind the beats. Warm-up: 32 s.

    References
    ----------
    Hirsch & Bishop 1981, DOI 10.1152/ajpheart.1981.241.4.H620.
    """

    def __init__(self) -> None:
        self._traces = TraceBreath(
            BreathSpectrum(WINDOW_S, tilt=TILT),
            sharp=SHARP,
            blurred=BLURRED,
            longest_step_s=LONGEST_STEP_S,
        )

    def restart(self) -> None:
        """Begin again after a gap."""
        self._traces.forget()

    def beat(self, beat: Beat) -> list[Turn]:
        """Take a confirmed beat; only one without a flag has an interval to go by.

        Parameters
        ----------
        beat : with its interval in ms

        Returns
        -------
        the turns that it settled, in seconds of session time, oldest first
        """
        if beat.flag is BeatFlag.FIRST:
            self.restart()
        if beat.rr_ms is None or beat.flag is not BeatFlag.OK:
            return []
        middle_s = beat.t_ns / NS_PER_S - beat.rr_ms / 2000.0
        return self._traces.beat(middle_s, (-beat.rr_ms,))
