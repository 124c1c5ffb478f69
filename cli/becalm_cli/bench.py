"""`becalm bench`: how well becalm does, measured on people whose truth is known."""

import json
from pathlib import Path
from typing import Annotated

import typer

app = typer.Typer(help="Measure becalm against known truth; each bench prints one JSON object.", no_args_is_help=True)


@app.callback()
def bench() -> None:
    """Measure becalm against known truth; each bench prints one JSON object."""


@app.command()
def population(
    *,
    people: Annotated[int, typer.Option(help="How many virtual people.", min=1, max=1_000_000)] = 100,
    minutes: Annotated[
        float, typer.Option(help="Length of each session: a minute of rest, then a pacer.", min=1.0, max=1440.0)
    ] = 5.0,
    seed: Annotated[int, typer.Option(help="The first person; the others follow.", min=0)] = 0,
    jobs: Annotated[
        int, typer.Option(help="Processes to share the work; the scores do not depend on it.", min=1, max=256)
    ] = 2,
) -> None:
    """Score virtual people with disturbed sensors: the live pipeline, no radio, as fast as it goes."""
    from becalm_cli.population import bench_population

    typer.echo(json.dumps(bench_population(n_people=people, minutes=minutes, seed=seed, n_jobs=jobs), indent=2))


@app.command()
def radio(
    *,
    faults: Annotated[int, typer.Option(help="How many faults befall the radios.", min=1, max=100_000)] = 100,
    wearers: Annotated[
        int, typer.Option(help="People at once, each with sensors, radio and agent of their own.", min=1, max=64)
    ] = 8,
    seed: Annotated[int, typer.Option(help="Decides the people and the plan of faults.", min=0)] = 0,
) -> None:
    """Let faults befall virtual radios; hold what the server has in the end against all that was delivered."""
    from becalm_cli.radio import bench_radio

    typer.echo(json.dumps(bench_radio(n_faults=faults, n_wearers=wearers, seed=seed), indent=2))


@app.command()
def signal(
    *,
    data: Annotated[
        Path, typer.Option(help="Folder with recordings: mitdb/, bidmc/, polar_h10/, neurokit/, rr/.")
    ] = Path("../shared/data"),
    only: Annotated[list[str] | None, typer.Option(help="Only this figure; repeat for more.")] = None,
    quick: Annotated[bool, typer.Option("--quick", help="A share of each recording: minutes become seconds.")] = False,
) -> None:
    """Score the live pipeline on real recordings and known truth, NeuroKit2 beside it in the same run.

    Exit code 0: all measured. 1: a figure or a recording could not be, its `error` says why. 130: stopped on the way.
    """
    from becalm_cli.signal_bench.figures import bench_signal, exit_code
    from becalm_cli.signal_bench.rendering import rendered

    result = bench_signal(data, only=tuple(only or ()), quick=quick)
    typer.echo(rendered(result))
    raise typer.Exit(exit_code(result))
