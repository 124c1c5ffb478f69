"""Draw docs/signal_*.png: what each stage of the live pipeline makes of real recordings.

python docs/make_signal_plots.py [--data ../shared/data] [--only beats]    (needs matplotlib)

The pipeline hears the recordings as a sensor would have sent them, in blocks of a quarter of a second. Where no
recording has what a stage needs (a pacer, a chest's acceleration) a virtual person stands in, and the picture says so.
"""

import argparse
from collections.abc import Callable
from pathlib import Path

import matplotlib as mpl

mpl.use("Agg")
import matplotlib.pyplot as plt
from matplotlib.figure import Figure
from signal_plots import breath, heart, practice, pulse, quality, skin, slow_lane

FOLDER = Path(__file__).parent
PICTURES: dict[str, Callable[[Path], Figure]] = {
    "beats": heart.draw_beats,
    "pulse": pulse.draw_pulse,
    "intervals": heart.draw_intervals,
    "variability": heart.draw_variability,
    "breathing": breath.draw_breathing,
    "chest": breath.draw_chest,
    "heart_breath": breath.draw_heart_breath,
    "skin": skin.draw_skin,
    "quality": quality.draw_quality,
    "arousal": practice.draw_arousal,
    "practice": practice.draw_practice,
    "neurokit": slow_lane.draw_neurokit,
}


def main() -> None:
    """Draw all pictures, or the one that was named."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, default=Path("../shared/data"))
    parser.add_argument("--only", choices=PICTURES)
    arguments = parser.parse_args()
    plt.rcParams.update({"font.size": 8, "axes.spines.top": False, "axes.spines.right": False, "axes.titlesize": 9})
    for name in [arguments.only] if arguments.only else PICTURES:
        figure = PICTURES[name](arguments.data)
        figure.savefig(FOLDER / f"signal_{name}.png", dpi=80, pil_kwargs={"optimize": True})
        plt.close(figure)


if __name__ == "__main__":
    main()
