"""A program whose wall clock jumps, as an operator or a time server may have it do; its monotonic clock goes on.

python bench/chaos_clock.py 3600 -3600 86400 0 -- serve --port 0 ...    becalm's command, a jump every two seconds
"""

import sys
import threading
import time
from collections.abc import Callable, Sequence
from functools import partial
from typing import TypeVar

from becalm_protocol.units import NS_PER_S

EVERY_S = 2.0
Number = TypeVar("Number", int, float)
_HONEST, _HONEST_NS = time.time, time.time_ns


def jump(jump_s: float) -> None:
    """Have this process's wall clock be so far off the true one from now on."""
    time.time = partial(_sum, _HONEST, jump_s)
    time.time_ns = partial(_sum, _HONEST_NS, round(jump_s * NS_PER_S))


def _sum(clock: Callable[[], Number], off: Number) -> Number:
    return clock() + off


def _keep_jumping(jumps_s: Sequence[float]) -> None:
    for jump_s in jumps_s:
        time.sleep(EVERY_S)
        jump(jump_s)


def main() -> None:
    split = sys.argv.index("--")
    jumps_s, words = [float(word) for word in sys.argv[1:split]], sys.argv[split + 1 :]
    threading.Thread(target=_keep_jumping, args=(jumps_s,), daemon=True, name="clock").start()
    sys.argv = ["becalm", *words]
    from becalm_cli.main import run  # late: whatever it imports has this clock

    run()


if __name__ == "__main__":
    main()
