"""Draw docs/population.png: who the virtual people are, over many seeds, beside what was published.

python docs/make_population.py [--people 10000 --sessions 1000]    (needs matplotlib)
python docs/make_population.py --table 2000                         print the rows of the table of published effects
"""

import argparse
import sys
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import matplotlib as mpl

mpl.use("Agg")
import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes

from becalm_simulator.course import Course, first_session, rsa_swing_bpm
from becalm_simulator.effects import effects
from becalm_simulator.person import Person

PICTURE = Path(__file__).with_name("population.png")
BLUE, SAND, INK = "#3b6ea5", "#d9a441", "#333333"
FIRST_SEED = 30_000
BREATHING_RATES_BPM = np.arange(3.5, 20.1, 0.5)
N_CURVES = 25
N_COUNTS = 60


def main() -> None:
    """Draw the picture."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--people", type=int, default=10_000)
    parser.add_argument("--sessions", type=int, default=1000)
    parser.add_argument("--table", type=int, default=0, metavar="PEOPLE")
    arguments = parser.parse_args()
    if arguments.table:
        sys.stdout.write("\n".join(table_rows(sessions(arguments.table))) + "\n")
        return
    people = [Person.from_seed(seed) for seed in range(FIRST_SEED, FIRST_SEED + arguments.people)]
    courses = sessions(arguments.sessions)
    plt.rcParams.update({"font.size": 8, "axes.spines.top": False, "axes.spines.right": False, "axes.titlesize": 9})
    figure = plt.figure(figsize=(12, 14), layout="constrained")
    figure.suptitle(f"{len(people):,} virtual people; {len(courses):,} of them in their first session", fontsize=12)
    halves = figure.add_gridspec(2, 1, height_ratios=(3, 1.15))
    axes = figure.add_subfigure(halves[0]).subplots(3, 3)
    draw_people(axes[0], people)
    draw_rest(axes[1], courses)
    draw_practice(axes[2], courses)
    curves, arousal, table = figure.add_subfigure(halves[1]).subplots(1, 3, width_ratios=(1, 1, 1))
    draw_resonance(curves, people)
    draw_arousal(arousal, courses)
    draw_effects(table, courses)
    figure.savefig(PICTURE, dpi=110)


def sessions(n_people: int) -> list[Course]:
    """Return the first sessions of so many people."""
    with ProcessPoolExecutor() as pool:
        return list(pool.map(first_session, range(FIRST_SEED, FIRST_SEED + n_people), chunksize=20))


def table_rows(courses: Sequence[Course]) -> Iterator[str]:
    """Yield each published effect as a row of a Markdown table."""
    for e in effects():
        allowed = f"{e.low:.3g} to {e.high:.3g} ({e.tolerance})"
        found = f"**{e.measure(courses):.3g}**"
        yield f"| {e.name} | {e.published:.3g} {e.unit} | {allowed} | {found} | {e.source} |"


def draw_people(axes: Sequence[Axes], people: Sequence[Person]) -> None:
    """Traits as drawn."""
    histogram(axes[0], [p.age_years for p in people], label="age, years")
    histogram(axes[1], [p.resonance_rate_bpm for p in people], label="baroreflex resonance, breaths/min")
    histogram(
        axes[2],
        [p.arousal_practised - p.arousal_everyday for p in people],
        label="where practice leads arousal (0 to 1)",
        mark=(0.0, "no response"),
    )


def draw_rest(axes: Sequence[Axes], courses: Sequence[Course]) -> None:
    """What rest looks like."""
    histogram(
        axes[0], [c.rest.heart_rate_bpm for c in courses], label="resting heart rate, bpm", mark=(65.5, "Quer 2020")
    )
    histogram(
        axes[1], [c.rest.breathing_rate_bpm for c in courses], label="resting breaths/min", mark=(16.6, "Tobin 1983")
    )
    axis = axes[2]
    years, rmssd_ms = np.asarray([(c.person.age_years, c.rest.rmssd_ms) for c in courses]).T
    axis.scatter(years, rmssd_ms, s=4, color=BLUE, alpha=0.35, linewidths=0, label="virtual people")
    decades = np.asarray([25, 35, 45, 55, 65])
    published, spread = np.asarray([43, 35, 31, 25, 22]), np.asarray([19, 11, 11, 9, 6])
    axis.errorbar(decades, published, spread, fmt="o", color=SAND, capsize=3, label="Umetani 1998, mean and SD")
    axis.set(xlabel="age, years", ylabel="RMSSD at rest, ms", ylim=(0, 120))
    axis.legend(frameon=False)


def draw_practice(axes: Sequence[Axes], courses: Sequence[Course]) -> None:
    """What the first practice at 6 breaths a minute does."""
    histogram(axes[0], [c.rest.scr_per_min for c in courses], label="skin responses/min at rest", mark=(2.0, "1 to 3"))
    histogram(
        axes[1],
        [c.practice.lowest_co2_mmhg for c in courses],
        label="lowest end-tidal CO2 at 6/min, mmHg",
        mark=(30.0, "37.5 % below: Szulczewski 2019"),
    )
    axis = axes[2]
    for field, color, label in (("sdnn_ms", BLUE, "SDNN"), ("rmssd_ms", SAND, "RMSSD")):
        before = [getattr(c.rest, field) for c in courses]
        after = [getattr(c.practice, field) for c in courses]
        axis.scatter(before, after, s=4, color=color, alpha=0.4, linewidths=0, label=label)
    axis.plot((0, 150), (0, 150), color=INK, linewidth=0.7)
    axis.set(xlabel="at rest, ms", ylabel="at 6 breaths/min, ms", xlim=(0, 150), ylim=(0, 220))
    axis.legend(frameon=False)


def draw_resonance(axis: Axes, people: Sequence[Person]) -> None:
    """RSA against breathing rate at equal depth."""
    for person in people[:N_CURVES]:
        swings = [rsa_swing_bpm(person, breathing_rate_bpm=float(rate)) for rate in BREATHING_RATES_BPM]
        axis.plot(BREATHING_RATES_BPM, swings, color=BLUE, alpha=0.45, linewidth=0.9)
    axis.set(xlabel="breaths/min, equal depth", ylabel="heart rate swing, bpm", title="to each a resonance")


def draw_arousal(axis: Axes, courses: Sequence[Course]) -> None:
    """True arousal before and late in practice."""
    before, after = np.asarray([(c.rest.arousal, c.practice.arousal) for c in courses]).T
    axis.scatter(before, after, s=4, color=BLUE, alpha=0.4, linewidths=0)
    axis.plot((0, 1), (0, 1), color=INK, linewidth=0.7)
    share = float(np.mean(after < before - 0.1))
    title = f"clearly lower after 6 min: {100 * share:.0f} %"
    axis.set(xlabel="true arousal at rest", ylabel="late in practice", title=title, xlim=(0, 1), ylim=(0, 1))


def draw_effects(axis: Axes, courses: Sequence[Course]) -> None:
    """Each row of the table of published effects: found, in units of its tolerance."""
    rows = effects()
    for i, effect in enumerate(rows):
        half = (effect.high - effect.low) / 2.0
        middle = (effect.high + effect.low) / 2.0
        axis.plot(((effect.published - middle) / half,), (i,), "o", color=SAND, markersize=5)
        axis.plot(((effect.measure(courses) - middle) / half,), (i,), "x", color=BLUE, markersize=5)
    axis.axvspan(-1, 1, color="#eeeeee", zorder=0)
    axis.set_yticks(range(len(rows)), [effect.name for effect in rows], fontsize=6)
    axis.invert_yaxis()
    axis.set(xlim=(-1.6, 1.6), xlabel="tolerance: -1 to 1 (o published, x found)", title="published effects")


def histogram(axis: Axes, numbers: Sequence[float], *, label: str, mark: tuple[float, str] | None = None) -> None:
    """Draw a distribution, its mean and spread, and a published value."""
    array = np.asarray(numbers)
    # Counts over three minutes come in thirds: wider bins would show a comb.
    thirds = [i / 3 - 1 / 6 for i in range(round(3 * array.max()) + 2)]
    bins = thirds if len(set(numbers)) < N_COUNTS else 50
    axis.hist(array, bins=bins, color=BLUE, alpha=0.75)
    axis.set(xlabel=label, yticks=[], title=f"{np.mean(array):.2f} ± {np.std(array):.2f}")
    if mark is not None:
        axis.axvline(mark[0], color=SAND, linewidth=2)
        axis.text(mark[0], axis.get_ylim()[1], f" {mark[1]}", color=INK, va="top", fontsize=7)


if __name__ == "__main__":
    main()
