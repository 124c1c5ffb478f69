"""Options that several commands have."""

from pathlib import Path
from typing import Annotated

import typer

ServerOption = Annotated[str, typer.Option("--server", help="Address of the becalm server.")]
DataDirOption = Annotated[
    Path | None, typer.Option("--data-dir", help="Folder for becalm's data [default: the user's data folder].")
]
RadioOption = Annotated[
    str | None, typer.Option("--radio", help="Use a virtual radio: the address that `becalm simulate` shows.")
]
SupervisedOption = Annotated[bool, typer.Option("--supervised", hidden=True)]
RateOption = Annotated[
    float | None, typer.Option("--rate-hz", help="Samples a second, for a CSV file without a time column.")
]
SignalOption = Annotated[
    list[str] | None,
    typer.Option(
        "--signal", help="Which signal is which: LABEL=KIND or LABEL=KIND:UNIT (ecg, resp, eda, rr); repeat for more."
    ),
]
RecordingArgument = Annotated[
    Path, typer.Argument(help="CSV, EDF, BDF, WFDB, XDF, FIT, RR text, or a file made by `becalm agent --record`.")
]
