"""Windows of a stream: thinned for the eye, or every sample."""

from pydantic import BaseModel, Field

from becalm_protocol.events import SignalKind
from becalm_server.bodies.examples import STREAM_ID, example_of, shown

_NS = 1_000_000_000
_HEAD = {
    "stream_id": STREAM_ID, "kind": "ecg", "unit": "uV", "unit_per_count": 1.0, "start_ns": 60 * _NS,
    "end_ns": 70 * _NS, "placed": True,
}  # fmt: skip


class WindowHead(BaseModel):
    """Which window of which stream it is."""

    stream_id: str
    kind: SignalKind
    unit: str
    unit_per_count: float = Field(description="A sample in `unit` is its count times this")
    start_ns: int
    end_ns: int = Field(description="Samples before this")
    placed: bool = Field(
        description="true: samples lie where the pipeline placed them, so that beats lie on them. false: while a "
        "session runs, and some minutes after, they lie where they arrived, some tenths of a second late"
    )


class OverviewBody(WindowHead):
    """The first, smallest, largest and last sample of each of equal parts of a window: drawn, it looks like all."""

    model_config = shown(_HEAD | {"t_us": [0, 1_230_769, 1_653_846, 2_492_307], "counts": [12, 1_204, -310, 20]})
    t_us: list[int] = Field(description="Microseconds since start_ns, rising")
    counts: list[int]


class RunBody(BaseModel):
    """Samples one after another: number k is at `t_ns + k * period_ns`."""

    model_config = shown({"t_ns": 60 * _NS, "period_ns": 7_682_851.9, "n_samples": 3})
    t_ns: int
    period_ns: float
    n_samples: int


class SamplesBody(WindowHead):
    """Every sample of a window; ask again with `start_ns` = next_start_ns where it is given."""

    model_config = shown(_HEAD | {"runs": [example_of(RunBody)], "counts": [12, 40, 31], "next_start_ns": None})
    runs: list[RunBody] = Field(description="Between two of them samples may be missing")
    counts: list[int] = Field(description="Of all runs, one after another")
    next_start_ns: int | None = Field(description="Where the rest of the window begins, where it was too long for once")
