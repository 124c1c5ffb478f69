"""Every figure of `becalm bench signal`, by name: what is asked, and the function that measures it."""

import signal
import time
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import typer

from becalm_cli.signal_bench import (
    bounds,
    breath,
    contact,
    cost,
    heart,
    heart_rate,
    recovery,
    skin,
    skin_simulated,
    strap,
    variability,
)
from becalm_cli.signal_bench.attempts import attempt
from becalm_protocol.derived import PIPELINE_VERSION
from becalm_protocol.errors import ConfigError
from becalm_protocol.events import value

Measure = Callable[..., dict[str, Any]]


@value
class Figure:
    """One line of the table."""

    name: str
    asked: str
    measure: Measure


FIGURES: tuple[Figure, ...] = (
    Figure(
        name="r_peaks", asked="F1 >= 99.7 within 150 ms, >= 99.3 within 50 ms, at both rates", measure=heart.r_peaks
    ),
    Figure(name="heart_rate", asked="every record within 5 bpm", measure=heart_rate.heart_rate),
    Figure(name="strap_intervals", asked="MAE <= 0.7 ms, every beat matched", measure=strap.strap_intervals),
    Figure(name="beat_delay", asked="p95 <= 250 ms from R peak to its beat", measure=heart.beat_delay),
    Figure(name="beat_times", asked="jitter SD <= 0.5 ms, RMSSD within 1 %", measure=variability.beat_times),
    Figure(name="artefacts", asked="RMSSD within 5 % or withheld", measure=variability.artefacts),
    Figure(name="breath_impedance", asked="MAE <= 0.4 /min on >= 95 % of windows", measure=breath.from_impedance),
    Figure(name="breath_ecg", asked="MAE <= 2.0 /min on >= 60 % of windows", measure=breath.from_ecg),
    Figure(
        name="breath_intervals",
        asked="few (patients have little RSA), MAE <= 2.0 /min",
        measure=breath.from_intervals,
    ),
    Figure(name="skin_calm_rest", asked="<= 1 a minute", measure=skin.calm_rest),
    Figure(name="skin_stimuli", asked="each of four found, fewer others than NeuroKit2", measure=skin.four_stimuli),
    Figure(name="skin_virtual", asked="F1 ahead of NeuroKit2", measure=skin.virtual_skin),
    Figure(name="skin_simulated", asked="F1 ahead of NeuroKit2", measure=skin_simulated.simulated_skin),
    Figure(name="bounds", asked=">= 95 % covered, each index, each kind of fault", measure=bounds.coverage),
    Figure(name="ghosts", asked="< 1 % while off the body", measure=bounds.ghosts),
    Figure(
        name="off_the_body",
        asked="< 1 % of the time a heart rate of then, beats accepted; back within 5 s",
        measure=contact.off_the_body,
    ),
    Figure(name="on_the_body", asked="< 1 % of worn seconds called off", measure=contact.on_the_body),
    Figure(
        name="recovery",
        asked="back within 5 s of good signal after each kind of bad input; no value beyond its bound",
        measure=recovery.recovery,
    ),
    Figure(name="processor", asked="<= 1 ms a session-second", measure=cost.processor),
    Figure(name="memory", asked="<= 2 MB a session", measure=cost.memory),
    Figure(name="chunks", asked="one hash for 1,000 cuts, each signal and whole", measure=cost.chunks),
    Figure(name="live_import", asked="<= 0.5 s, no neurokit2, no pandas", measure=cost.live_import),
)


def bench_signal(data: Path, *, only: Sequence[str], quick: bool) -> dict[str, Any]:
    """Return the figures chosen (all where `only` is empty), each with what is asked and how long it took.

    A figure that cannot be measured has an `error` in place of `measured`. After SIGINT or SIGTERM come those that were
    measured until then, and `interrupted` names the one under way. Each is announced on standard error.
    Raises ConfigError for an unknown name and for a folder that is not there.
    """
    known = {figure.name: figure for figure in FIGURES}
    unknown = [name for name in only if name not in known]
    if unknown:
        raise ConfigError(f"expected some of {', '.join(known)}, got {', '.join(unknown)}", setting="--only")
    if not data.is_dir():
        raise ConfigError(f"expected a folder with recordings, got {data}; name one with --data", setting="--data")
    names = tuple(only or known)
    figures: dict[str, Any] = {}
    result: dict[str, Any] = {"pipeline_version": PIPELINE_VERSION, "quick": quick, "figures": figures}
    before = signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        for number, name in enumerate(names, start=1):
            result["interrupted"] = name
            typer.echo(f"{number}/{len(names)} {name} ...", err=True)
            figures[name] = _entry(known[name], data, quick=quick)
            typer.echo(f"{number}/{len(names)} {name}: {figures[name].get('error', figures[name]['took_s'])}", err=True)
        del result["interrupted"]
    except KeyboardInterrupt:
        typer.echo(f"interrupted: {len(figures)} of {len(names)} figures follow", err=True)
    finally:
        signal.signal(signal.SIGTERM, before)
    return result


def _entry(figure: Figure, data: Path, *, quick: bool) -> dict[str, Any]:
    started_s = time.perf_counter()
    measured, error = attempt(partial(figure.measure, data, quick=quick))
    told = {"measured": measured} if error is None else {"error": error}
    return {"asked": figure.asked, **told, "took_s": round(time.perf_counter() - started_s, 1)}


def exit_code(result: dict[str, Any]) -> int:
    """Return 0 where all was measured, 1 where a figure or a recording could not be, 130 after an interruption."""
    if "interrupted" in result:
        return 130
    return int(_has_error(result["figures"]))


def _has_error(content: Any) -> bool:
    return isinstance(content, dict) and (
        not content.keys().isdisjoint({"error", "errors"}) or any(_has_error(item) for item in content.values())
    )
