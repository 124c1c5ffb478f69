"""Whether bounds keep at a glance: all indices together by what was under way, and each one below what is asked."""

from typing import Any, NamedTuple

from becalm_cli.score_arousal import NAME as AROUSAL
from becalm_cli.score_arousal import SMOOTHED
from becalm_cli.score_events import ALL
from becalm_cli.score_indices import STEPS
from becalm_cli.tally import Tally, ratio

ASKED = 0.95
NAMES = (*STEPS, AROUSAL)


class _Cell(NamedTuple):
    """One index while something was under way."""

    name: str
    n_moments: int
    n_told: int
    n_judged: int
    n_covered: int


def report_bounds(tally: Tally) -> dict[str, Any]:
    """Return coverage by kind, over all indices that the kind disturbs, with those below 95 %, worst first."""
    kinds = {kind for name in NAMES for kind in tally.names(name) if tally.n(name, kind, "seconds")}
    cells = {kind: _cells(tally, kind) for kind in sorted(kinds, key=lambda kind: (kind != ALL, kind))}
    told = {kind: _figures(of_kind) for kind, of_kind in cells.items()}
    return {
        "asked": ASKED,
        "kinds_below": [
            kind for kind, figures in told.items() if figures["coverage"] is not None and figures["coverage"] < ASKED
        ],
        "kinds": told,
    }


def _cells(tally: Tally, kind: str) -> list[_Cell]:
    cells = []
    for name in NAMES:
        scored = (AROUSAL, SMOOTHED, kind) if name == AROUSAL else (name, kind)
        cells.append(
            _Cell(
                name=name,
                n_moments=tally.n(name, kind, "seconds"),
                n_told=tally.n(name, kind, "reported"),
                n_judged=tally.n_measured(*scored, "error"),
                n_covered=tally.n(*scored, "covered"),
            )
        )
    return cells


def _figures(cells: list[_Cell]) -> dict[str, Any]:
    below = [cell for cell in cells if cell.n_covered < ASKED * cell.n_judged]
    n_judged = sum(cell.n_judged for cell in cells)
    return {
        "coverage": ratio(sum(cell.n_covered for cell in cells), n_judged),
        "n_values": n_judged,
        "told_share": ratio(sum(cell.n_told for cell in cells), sum(cell.n_moments for cell in cells)),
        "below": {
            cell.name: {"coverage": ratio(cell.n_covered, cell.n_judged), "n_values": cell.n_judged}
            for cell in sorted(below, key=lambda cell: cell.n_covered / cell.n_judged)
        },
    }
