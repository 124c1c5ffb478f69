"""LSL kept to this machine and to this run of the tests: the library reads its configuration once."""

import os
import secrets
from collections.abc import Iterator
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
    path = tmp_path_factory.mktemp("lsl") / "lsl_api.cfg"
    path.write_text(_CONFIG.format(session=secrets.token_hex(8)))
    os.environ["LSLAPICFG"] = str(path)
    try:
        yield import_module("pylsl")
    except (ImportError, RuntimeError, OSError) as exc:  # the package may be there without its library
        pytest.skip(f"pylsl, of the extra `lsl`, is not installed for this system ({type(exc).__name__})")
    finally:
        del os.environ["LSLAPICFG"]
