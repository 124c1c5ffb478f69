"""R peaks from ECG, causal and sample by sample: energy of the QRS band, two adaptive levels, search-back.

After Pan & Tompkins 1985 (10.1109/TBME.1985.325532) and Hamilton & Tompkins 1986 (10.1109/TBME.1986.325695), with
medians for both levels, a T-wave rule on slope, and the peak placed on the dominant deflection with a parabola.
"""

import math
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from statistics import median

from becalm_signal.kernels import Decimator
from becalm_signal.qrs_humps import Candidate, Energy, HumpFinder, MeanEnergy
from becalm_signal.qrs_jury import Found, Jury
from becalm_signal.qrs_peak import Peak
from becalm_signal.qrs_place import PeakPlacer
from becalm_signal.qrs_usual import Usual

# The QRS is resolved well from 125 Hz; higher rates are brought down to 125-250 Hz by a whole factor.
TARGET_RATE_HZ = 180.0
LEARNING_S = 2.5
# Where a heart has been heard before.
LEARNING_AGAIN_S = 1.5
# Two ventricular depolarisations closer than this do not occur (Pan & Tompkins).
REFRACTORY_S = 0.2
T_WAVE_S = 0.38
# A T wave is over by then, however slow the heart: what is later is none, and after a pause levels are learned there.
LAST_T_WAVE_S = 0.5
# After a beat, only something this much larger can be the real one (a tall P wave came first).
USURP_RATIO = 1.4
MIN_DISTANCE_S = 0.12
LEVEL_SHARE = 0.35
# Noise is never taken for larger than this share of a beat: else one burst would hide all beats after it.
MAX_NOISE_SHARE = 0.6
DUE_LEVEL_SHARE = 0.22
DUE_RR = 0.9
SEARCH_BACK_RR = 1.6
# Shares of a usual beat: 9 of 10 beats found by search-back on MIT-BIH exceed both, T waves and flutter mostly do not.
SEARCH_BACK_SHARE = 0.28
SEARCH_BACK_SLOPE = 0.25
# Wide early beats have a third of the energy of a narrow one; where their shape is known they are looked at.
LOOK_AT_SHARE = 0.28
RELEARN_S = 4.0
HISTORY_S = 4.0
# Largest humps of each second over the mean energy: noise 1.2-1.9, hearts 2.1 and more.
LEAST_TOP = 2.0


class QrsDetector:
    """Streaming R-peak detector for one ECG stream. State: 5 s.

    Notes
    -----
    Delay from R peak to the sample that settles it: 130 ms, 95 % below 200 ms; search-back beats later. Warm-up: 2.5
    s.

    References
    ----------
    Pan & Tompkins 1985, DOI 10.1109/TBME.1985.325532; Hamilton & Tompkins 1986, DOI 10.1109/TBME.1986.325695.
    """

    def __init__(self, rate_hz: float) -> None:
        self._decimator = Decimator(max(1, int(rate_hz / TARGET_RATE_HZ)))
        self.rate_hz = rate_hz / self._decimator.factor
        self._usual = Usual()
        self._noise: deque[float] = deque(maxlen=8)
        self._placer = PeakPlacer(self.rate_hz)
        self.jury = Jury(self.rate_hz)
        """Knows what beats of this heart look like."""
        self._samples: list[float] = []
        self._n_kept = round((HISTORY_S + 1.0) * self.rate_hz)
        self.begin_anew()

    def begin_anew(self) -> None:
        """Begin as if nothing had been heard before: what came was no heart, and no level is worth keeping."""
        self._forget_levels()
        self.jury.clear()
        self.restart()

    def _forget_levels(self) -> None:
        self._learned = False
        self._usual.clear()
        self._noise.clear()

    def restart(self) -> None:
        """Begin again after a gap: filters and positions from zero, levels kept."""
        self._decimator.reset()
        self._energy = Energy(self.rate_hz)
        self.mean_energy = MeanEnergy(self.rate_hz)
        self._humps = HumpFinder(self.rate_hz)
        self.jury.restart()
        self._samples.clear()
        self._past: deque[Candidate] = deque(maxlen=64)
        self._n = -1
        self._last: Candidate | None = None
        self._quiet_since = 0
        self._deadline = round(LEARNING_S * self.rate_hz)

    @property
    def peakiness(self) -> float:
        """Energy of the accepted beats over the mean energy: 3 and more for a heart, below 1.8 for noise."""
        mean = self.mean_energy.value
        return self._usual.energy / mean if mean > 0.0 else 0.0

    def begin_levels(self) -> None:
        """Learn both levels anew from what comes from now on: it is quieter by far than what came."""
        self._forget_levels()
        self.mean_energy = MeanEnergy(self.rate_hz)
        self._past.clear()
        self._last = None
        self._quiet_since = self._n
        self._deadline = self._n + round(LEARNING_AGAIN_S * self.rate_hz)

    def feed(self, samples: Sequence[float], *, stops: Iterable[int] = ()) -> Iterator[tuple[int, list[Peak]]]:
        """Take samples; a generator, which pauses at each of `stops`, after beats, and at the end.

        Parameters
        ----------
        samples : in the unit of the signal, shape (n_samples,)
        stops : numbers of samples, in order

        Returns
        -------
        how many were taken, and the peaks that the last of these settled, oldest first
        """
        n_before, decimated = self._decimator.run(samples)
        energies, slopes = self._energy.run(decimated)
        first = self._n + 1
        humps = self._humps.run(first, energies, slopes)
        done = n_taken = 0
        for stop in (*stops, len(samples)):
            n_due = max(0, stop - n_before - 1 + self._decimator.factor) // self._decimator.factor
            while done < n_due:
                due = min(self._deadline, self.jury.deadline, next(iter(humps), math.inf)) - first
                begin, done = done, n_due if due >= n_due - 1 else max(done, math.ceil(due)) + 1
                self._samples += decimated[begin:done]
                del self._samples[: -self._n_kept]
                self.mean_energy.feed(energies[begin:done])
                self._n = first + done - 1
                n_taken = n_before + (done - 1) * self._decimator.factor + 1
                peaks = self._decide(humps.pop(self._n, None))
                if peaks or n_taken == stop:
                    yield n_taken, peaks
            if n_taken < stop:
                n_taken = stop
                yield stop, []

    def _decide(self, hump: Candidate | None) -> list[Peak]:
        """Take a hump that has just ended, and what is due by now."""
        found: list[Peak] = []
        if hump is not None:
            self._past.append(hump)
            if self._learned and self._is_beat(hump):
                self._accept(hump, found)
            elif self._learned:
                self._look_at(hump, found)
        if self._n >= self._deadline:
            self._overdue(found)
        if self._n >= self.jury.deadline:
            self._tell(self.jury.overdue(self._n), found)
        return found

    def finish(self) -> list[Peak]:
        """Settle what the end of the recording leaves open: the learning time of a short one."""
        found: list[Peak] = []
        if not self._learned:
            self._learn(found)
        self._tell(self.jury.overdue(math.inf), found)
        return found

    # -------------------------------------------------------------------------------------------------- decisions
    def _share_after(self, since_s: float) -> float:
        """The level sinks when a beat is due: a small one is then taken at once instead of by search-back."""
        typical_s = self._usual.rr / self.rate_hz if self._usual.n_rr >= 4 else 9.0
        return DUE_LEVEL_SHARE if since_s > DUE_RR * typical_s else LEVEL_SHARE

    def _level(self, share: float) -> float:
        signal = self._usual.sound_energy
        # The second largest of the last eight: P and T waves must stay below, and each beat brings two or three humps.
        noise = min(sorted(self._noise)[-2:][0], MAX_NOISE_SHARE * signal) if self._noise else 0.0
        return noise + share * max(0.0, signal - noise)

    def _is_beat(self, hump: Candidate) -> bool:
        last = self._last
        since = (hump.at - last.at) / self.rate_hz if last is not None else 9.0
        if last is not None and since < T_WAVE_S and hump.energy > USURP_RATIO * last.energy:
            return self._usurp(hump, last)
        if since < REFRACTORY_S:
            return False
        if hump.energy > self._level(self._share_after(since)) and not self._is_t_wave(hump, since):
            return True
        self._noise.append(hump.energy)
        return False

    def _usurp(self, hump: Candidate, last: Candidate) -> bool:
        """A much larger hump so soon after a beat is the real QRS: what was taken for one was a P wave or noise."""
        if hump.at - last.at < MIN_DISTANCE_S * self.rate_hz:
            return False
        self._withdraw(last)
        return True

    def _withdraw(self, last: Candidate) -> None:
        """Count the last beat as noise, and the next interval from the beat before."""
        self._noise.append(last.energy)
        self._last = Candidate(last.at - self._usual.withdraw(), last.energy, last.slope)

    def _is_t_wave(self, hump: Candidate, since_s: float) -> bool:
        if self._last is None:
            return False
        typical_s = self._usual.rr / self.rate_hz if self._usual.n_rr else 0.8
        if since_s < min(T_WAVE_S, 0.6 * typical_s) and hump.slope < 0.6 * self._usual.slope:
            return True
        return since_s < min(0.5 * typical_s, LAST_T_WAVE_S) and hump.energy < 0.5 * self._usual.energy

    def _accept(self, hump: Candidate, found: list[Peak]) -> None:
        self._usual.add(hump, rr=None if self._last is None else hump.at - self._last.at)
        self._last = hump
        self._quiet_since = hump.at
        self._set_deadline()
        self._tell(self.jury.accept(self._see(hump)), found)

    def _look_at(self, hump: Candidate, found: list[Peak]) -> None:
        """Look at a hump that was passed over: a beat all the same where it has the shape of one."""
        if hump.energy < LOOK_AT_SHARE * self._usual.sound_energy:
            return
        seen = self._see(hump)
        if self._last is not None and self.jury.displaces(seen):
            self._withdraw(self._last)
            self._accept(hump, found)
        else:
            self._tell(self.jury.rescue(seen), found)

    def _see(self, hump: Candidate) -> Found:
        first = self._n + 1 - len(self._samples)
        like = self.jury.see(self._samples, hump.at - first, energy=hump.energy)
        peak = self._placer.place(self._samples, hump.at - first, habit=like.habit)
        peak.at += first
        return Found(hump, peak, like)

    def _tell(self, beats: list[Found], found: list[Peak]) -> None:
        for beat in beats:
            if self._last is not None and beat.hump.at > self._last.at:  # it was passed over at first
                self._last = beat.hump
                self._quiet_since = beat.hump.at
                self._set_deadline()
            self._placer.learn(beat.peak.balance)
            found.append(beat.told(every=self._decimator.factor))

    def _set_deadline(self) -> None:
        typical = self._usual.rr if self._usual.n_rr >= 2 else self.rate_hz
        wait = min(max(SEARCH_BACK_RR * typical, 0.5 * self.rate_hz), 2.5 * self.rate_hz)
        self._deadline = self._quiet_since + round(wait)

    def _overdue(self, found: list[Peak]) -> None:
        """No beat for too long: learn, or look again at what was passed over."""
        if not self._learned or self._n - self._quiet_since > RELEARN_S * self.rate_hz:
            self._learn(found)
            return
        energy, slope = SEARCH_BACK_SHARE * self._usual.energy, SEARCH_BACK_SLOPE * self._usual.slope
        after = self._last.at + round(0.3 * self.rate_hz) if self._last is not None else 0
        passed = [hump for hump in self._past if hump.at > after and hump.energy > energy and hump.slope > slope]
        if passed:
            self._accept(max(passed, key=lambda hump: hump.energy), found)
        else:
            self._deadline = self._n + max(1, round(0.1 * self.rate_hz))

    def _learn(self, found: list[Peak]) -> None:
        """Set both levels from the last seconds of humps, then run those humps through the decision."""
        oldest = self._n - round(HISTORY_S * self.rate_hz)
        if self._last is not None:
            oldest = max(oldest, self._last.at + round(LAST_T_WAVE_S * self.rate_hz))
        humps = [hump for hump in self._past if hump.at > oldest]
        self._quiet_since = self._n
        self._deadline = self._n + round(self.rate_hz)
        if not humps:
            return
        tops = self._tops(humps)
        least = 0.4 * max(hump.energy for hump in tops)
        tops = [hump for hump in tops if hump.energy >= least]
        top = median(hump.energy for hump in tops)
        if self._learned and top < LEAST_TOP * self.mean_energy.value:
            return  # a pause: its noise is no heart
        self._usual.learn(energy=top, slope=median(hump.slope for hump in tops))
        self._noise.clear()
        self._noise.append(median(hump.energy for hump in humps) * 0.5)
        self._learned = True
        for hump in humps:
            if self._is_beat(hump):
                self._accept(hump, found)

    def _tops(self, humps: list[Candidate]) -> list[Candidate]:
        """Return the largest hump of each second: at 60 to 200 beats a minute, each a beat."""
        tops: dict[int, Candidate] = {}
        for hump in humps:
            slot = int(hump.at / self.rate_hz)
            if slot not in tops or hump.energy > tops[slot].energy:
                tops[slot] = hump
        return list(islice(tops.values(), 8))
