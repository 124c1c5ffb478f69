"""The state of a session's pipeline as bytes and back, so that a restart need not feed the whole session again.

The bytes are a pickle: a pipeline is a web of small objects that share each other, and no plainer form keeps that. They
come from our own database, and are read all the same by an unpickler that makes objects of the live lane's own classes,
of deques, arrays and numpy's numbers, and of nothing else. The only functions that it lets them call are the four by
which array and numpy rebuild their own values. They are read only by the very code that wrote them; any other reads the
session from its raw events.
"""

import hashlib
import io
import pickle
import sys
import zlib
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

import becalm_protocol
import becalm_signal
from becalm_protocol.derived import PIPELINE_VERSION
from becalm_protocol.errors import StorageError

# The quickest level: three quarters of what the slowest one saves, for a fifth of its time.
ZLIB_LEVEL = 1
# A session's state is some 100 to 250 kB; what unpacks to more is none.
MAX_STATE_BYTES = 64 * 2**20
_HERE = Path(__file__).parent
_OURS = ("becalm_signal", "becalm_protocol", "becalm_server.recent_beats", "becalm_server.recent_samples")
_OTHERS = frozenset(
    {
        ("array", "_array_reconstructor"),
        ("array", "array"),
        ("builtins", "bytearray"),
        ("builtins", "complex"),
        ("builtins", "frozenset"),
        ("builtins", "set"),
        ("collections", "OrderedDict"),
        ("collections", "defaultdict"),
        ("collections", "deque"),
        ("numpy", "dtype"),
        ("numpy", "ndarray"),
        ("numpy._core.multiarray", "_reconstruct"),
        ("numpy._core.multiarray", "scalar"),
        ("numpy._core.numeric", "_frombuffer"),
    }
)


class StateCodec:
    """Packs and unpacks states of one kind of pipeline."""

    def __init__(self, make_pipeline: Any) -> None:
        self._modules = (*_OURS, make_pipeline.__module__)
        self.code_sha256 = _code_sha256(make_pipeline.__module__)
        """Over all code that a state is made of and read by."""

    def pack(self, state: Any) -> bytes:
        """Return a state as bytes."""
        return zlib.compress(pickle.dumps(state, protocol=pickle.HIGHEST_PROTOCOL), ZLIB_LEVEL)

    def unpack(self, body: bytes) -> Any:
        """Return the state in these bytes. Raises StorageError for anything that pack() would not have written."""
        try:
            unpacked = zlib.decompressobj().decompress(body, MAX_STATE_BYTES)
            return _Unpickler(unpacked, modules=self._modules).load()
        except Exception as exc:  # odd bytes make an unpickler raise anything
            raise StorageError(f"live state: expected one of this code, got a {type(exc).__name__} on reading") from exc


class _Unpickler(pickle.Unpickler):
    def __init__(self, data: bytes, *, modules: tuple[str, ...]) -> None:
        super().__init__(io.BytesIO(data))
        self._modules = modules

    def find_class(self, module: str, name: str) -> Any:
        """Return a class that a state may hold, or what rebuilds an array. Raises UnpicklingError for all others."""
        if (module, name) in _OTHERS:
            return super().find_class(module, name)
        if self._is_ours(module):
            found = super().find_class(module, name)
            if isinstance(found, type) and self._is_ours(found.__module__):
                return found
        raise pickle.UnpicklingError(f"expected a class of the live lane, got {module:.40}.{name:.40}")

    def _is_ours(self, module: str) -> bool:
        return any(module == ours or module.startswith(f"{ours}.") for ours in self._modules)


@cache
def _code_sha256(pipeline_module: str) -> str:
    digest = hashlib.sha256(f"{PIPELINE_VERSION} {sys.version_info[:2]} {np.__version__} {pipeline_module}".encode())
    packages = [Path(str(package.__file__)).parent for package in (becalm_signal, becalm_protocol)]
    files = [path for package in packages for path in sorted(package.rglob("*.py"))]
    files += [_HERE / name for name in ("live_state.py", "recent_beats.py", "recent_samples.py")]
    files.append(Path(str(sys.modules[pipeline_module].__file__)))
    for path in files:
        digest.update(path.read_bytes())
    return digest.hexdigest()
