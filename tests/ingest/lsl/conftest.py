"""Streams of a laboratory on this machine alone."""

import os
import secrets
from collections.abc import Callable, Iterator
from functools import partial
from importlib import import_module
from typing import Any

import pytest

_CONFIG = """[ports]
IPv6 = disable
[multicast]
ResolveScope = machine
MachineAddresses = {{127.0.0.1}}
ListenAddress = 127.0.0.1
[lab]
KnownPeers = {{127.0.0.1}}
SessionID = {session}
[log]
level = -3
"""


@pytest.fixture(scope="session")
def lsl(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """The library, kept to this machine and to this run of the tests: it reads its configuration once."""
    path = tmp_path_factory.mktemp("lsl") / "lsl_api.cfg"
    path.write_text(_CONFIG.format(session=secrets.token_hex(8)))
    os.environ["LSLAPICFG"] = str(path)
    try:
        yield import_module("pylsl")
    except (ImportError, RuntimeError, OSError) as exc:  # the package may be there without its library
        pytest.skip(f"pylsl, of the extra `lsl`, is not installed for this system ({type(exc).__name__})")
    finally:
        del os.environ["LSLAPICFG"]


class Outlet:
    """A stream of a laboratory; `push` sends samples with stamps of its own."""

    def __init__(
        self, lsl: Any, name: str, kind: str, *, rate_hz: float, channels: list[tuple[str, str]], form: str = "float32"
    ) -> None:
        self.lsl = lsl
        info = lsl.StreamInfo(name, kind, len(channels), rate_hz, form, f"{name} of the tests")
        described = info.desc().append_child("channels")
        for label, unit in channels:
            channel = described.append_child("channel")
            channel.append_child_value("label", label)
            channel.append_child_value("unit", unit)
        self.rate_hz = rate_hz
        self.outlet: Any = lsl.StreamOutlet(info)

    def push(self, rows: list[list[float]], *, began_s: float, first: int = 0) -> None:
        for k, row in enumerate(rows):
            self.outlet.push_sample(row, began_s + (first + k) / self.rate_hz if self.rate_hz else began_s + k)

    def close(self) -> None:
        self.outlet = None


@pytest.fixture
def make_outlet(lsl: Any) -> Callable[..., Outlet]:
    """Return what makes outlets: `make_outlet(name, kind, rate_hz=..., channels=[(label, unit)])`."""
    return partial(Outlet, lsl)
