"""`becalm outlet`: live values for other programs, over OSC or LSL."""

import asyncio
from collections.abc import Callable
from typing import TYPE_CHECKING, Annotated

import typer

from becalm_cli.keys import token_source
from becalm_cli.options import ServerOption
from becalm_cli.places import DEFAULT_SERVER, http_url
from becalm_cli.process import stop_on_signals
from becalm_protocol.errors import ConfigError

if TYPE_CHECKING:
    from becalm_client.feed import Feed
    from becalm_client.outlets.lsl_outlet import LslOutlet
    from becalm_client.outlets.osc_outlet import OscOutlet
    from becalm_protocol.live import Subscribe

app = typer.Typer(help="Give live values to other programs: docs/outlets.md.", no_args_is_help=True)

SessionOption = Annotated[
    str | None, typer.Option("--session", help="Identifier of a live session [default: whichever is under way].")
]
WaveformsOption = Annotated[
    str | None,
    typer.Option("--waveforms", help="Only these, such as ecg,respiration; none for no waveform [default: all]."),
]
NONE = "none"


@app.callback()
def outlet() -> None:
    """Give live values to other programs."""


@app.command()
def osc(
    *,
    to: Annotated[str, typer.Option("--to", help="Who listens: HOST:PORT, over UDP.")] = "127.0.0.1:9000",
    prefix: Annotated[str, typer.Option(help="What every OSC address begins with.")] = "/becalm",
    metrics_hz: Annotated[float, typer.Option(help="Indices a second.", min=0.1, max=4.0)] = 4.0,
    session: SessionOption = None,
    waveforms: WaveformsOption = None,
    server: ServerOption = DEFAULT_SERVER,
) -> None:
    """Send live values as Open Sound Control messages."""
    from becalm_client.outlets.osc_outlet import OscOutlet

    host, _, port = to.rpartition(":")
    if not host or not port.isdigit() or not 0 < int(port) <= 65_535:
        raise ConfigError(f"expected HOST:PORT, got {to!r:.80}", setting="--to")
    target = host.strip("[]"), int(port)
    asyncio.run(
        _run(
            lambda _: OscOutlet(host=target[0], port=target[1], prefix=prefix),
            server=server,
            wish=_wish(session=session, waveforms=waveforms, metrics_hz=metrics_hz),
        )
    )


@app.command()
def lsl(
    *, session: SessionOption = None, waveforms: WaveformsOption = None, server: ServerOption = DEFAULT_SERVER
) -> None:
    """Offer live values as streams of the Lab Streaming Layer."""
    from becalm_client.outlets.lsl_outlet import LslOutlet

    asyncio.run(
        _run(
            lambda feed: LslOutlet(session_now_ns=feed.session_now_ns),
            server=server,
            wish=_wish(session=session, waveforms=waveforms, metrics_hz=None),
        )
    )


def _wish(*, session: str | None, waveforms: str | None, metrics_hz: float | None) -> "Subscribe":
    """Return what to subscribe to. Raises ConfigError for a kind of signal that there is not."""
    from becalm_protocol.events import SignalKind
    from becalm_protocol.live import Subscribe

    kinds = None if waveforms is None else tuple(word.strip() for word in waveforms.split(",") if word.strip() != NONE)
    known = [kind.value for kind in SignalKind]
    for kind in kinds or ():
        if kind not in known:
            raise ConfigError(
                f"expected some of {', '.join(known)}, or {NONE}, got {kind!r:.40}", setting="--waveforms"
            )
    return Subscribe(session_id=session, waveforms=kinds, metrics_hz=metrics_hz)


async def _run(make: "Callable[[Feed], OscOutlet | LslOutlet]", *, server: str, wish: "Subscribe") -> None:
    """Pass on what the feed tells until told to stop."""
    from becalm_client.feed import Feed

    stop = stop_on_signals(supervised=False)
    feed = Feed(http_url(server), client_name="becalm outlet", wishes=(wish,), token=token_source(server))
    outlet = make(feed)
    typer.echo("Live values go out as they come - Ctrl-C stops it")
    try:
        async with asyncio.TaskGroup() as group:
            following = group.create_task(feed.run(outlet.take), name="feed")
            await stop.wait()
            following.cancel()
    finally:
        outlet.close()
    typer.echo(f"{outlet.n_sent} sent")
