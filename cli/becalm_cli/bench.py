"""`becalm bench`: how well becalm does, measured on people whose truth is known."""

import json
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
