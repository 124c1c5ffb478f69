"""Do parsers of sensor data give anything but events or DeviceDataError? Millions of broken notifications. JSON.

python bench/bench_fuzz.py [--executions 10000000] [--family movesense ...] [--seed 1] [--engine mutation|atheris]

`mutation` takes what virtual sensors send and changes it at random, the same for the same seed. `atheris` (installed
apart; Linux and macOS) is guided by the lines an input reaches, one family a run. An execution is one notification
given to a parser that may have a connection's past; `refused` counts DeviceDataError. Ctrl-C goes on to the next
family. Exit code 1 where anything failed.
"""

import argparse
import importlib
import json
import random
import signal
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from typing import Any

from fuzz_targets import BrokenPromiseError, Target, corpus, targets

INTERESTING = (b"\x00", b"\xff", b"\x7f", b"\x80", b"\x00\x00\xc0\x7f", b"\x00\x00\x80\x7f", b"\xff\xff\xff\xff", b"\n")
MAX_BYTES = 600
# Most inputs stay near to what is right, where the deeper lines are.
MAX_CHANGES = 4


def mutate(seed: bytes, seeds: list[bytes], dice: random.Random) -> bytes:
    """Return a seed with some changes, or spliced with another."""
    data = bytearray(seed)
    for _ in range(dice.randrange(MAX_CHANGES + 1)):
        MUTATIONS[dice.randrange(len(MUTATIONS))](data, seeds, dice)
    return bytes(data[:MAX_BYTES])


def _turn_bit(data: bytearray, _: list[bytes], dice: random.Random) -> None:
    if data:
        data[dice.randrange(len(data))] ^= 1 << dice.randrange(8)


def _set_byte(data: bytearray, _: list[bytes], dice: random.Random) -> None:
    if data:
        data[dice.randrange(len(data))] = dice.randrange(256)


def _insert(data: bytearray, _: list[bytes], dice: random.Random) -> None:
    at = dice.randrange(len(data) + 1)
    data[at:at] = dice.choice(INTERESTING) if dice.randrange(2) else dice.randbytes(dice.randrange(1, 9))


def _overwrite(data: bytearray, _: list[bytes], dice: random.Random) -> None:
    at, piece = dice.randrange(len(data) + 1), dice.choice(INTERESTING)
    data[at : at + len(piece)] = piece


def _remove(data: bytearray, _: list[bytes], dice: random.Random) -> None:
    at = dice.randrange(len(data) + 1)
    del data[at : at + dice.randrange(1, 9)]


def _cut(data: bytearray, _: list[bytes], dice: random.Random) -> None:
    del data[dice.randrange(len(data) + 1) :]


def _splice(data: bytearray, seeds: list[bytes], dice: random.Random) -> None:
    other = seeds[dice.randrange(len(seeds))]
    data[dice.randrange(len(data) + 1) :] = other[dice.randrange(len(other) + 1) :]


def _noise(data: bytearray, _: list[bytes], dice: random.Random) -> None:
    data[:] = dice.randbytes(dice.randrange(64))


Mutation = Callable[[bytearray, list[bytes], random.Random], None]
MUTATIONS: tuple[Mutation, ...] = (
    _turn_bit, _turn_bit, _set_byte, _set_byte, _insert, _overwrite, _remove, _cut, _splice, _noise,
)  # fmt: skip


def fuzz_by_mutation(target: Target, *, n_executions: int, seed: int) -> None:
    """Give so many changed notifications to a target."""
    dice = random.Random(f"{seed} {target.name}")
    said = corpus(target.name)
    seeds = [one.data for one in said]
    for n in range(n_executions):
        # Half of the time what follows comes after what went before, as parsers that remember expect it.
        one = said[n % len(said)] if dice.randrange(2) else said[dice.randrange(len(said))]
        channel_idx = one.channel_idx if dice.randrange(8) else dice.randrange(8)
        target.execute(mutate(one.data, seeds, dice), channel_idx=channel_idx)


def fuzz_by_atheris(target: Target, *, n_executions: int, seed: int) -> None:
    """Let atheris find the inputs and end the process, as it does: after the report, at the first failure."""
    atheris: Any = importlib.import_module("atheris")
    began_s = time.perf_counter()

    def execute(data: bytes) -> None:
        target.execute(data[1:], channel_idx=data[0] if data else 0)
        if target.n_failures or target.n_executions >= n_executions:
            line = report(target, took_s=time.perf_counter() - began_s)
            print(json.dumps({"engine": "atheris", "seed": seed, "targets": {target.name: line}}, indent=1), flush=True)
        if target.n_failures:
            raise BrokenPromiseError(next(iter(target.failures)))

    atheris.instrument_all()
    atheris.Setup([sys.argv[0], f"-runs={n_executions}", f"-seed={seed}", f"-max_len={MAX_BYTES}"], execute)
    atheris.Fuzz()


def report(target: Target, *, took_s: float) -> dict[str, object]:
    """Return one target's line."""
    return {
        "executions": target.n_executions,
        "refused": target.n_refused,
        "failures": target.n_failures,
        "first_inputs": target.failures,
        "per_s": round(target.n_executions / max(took_s, 1e-9)),
    }


def main() -> int:
    """Fuzz the chosen families one after the other and print what came of it."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--executions", type=int, default=10_000_000, help="for each family, and each survey")
    parser.add_argument("--family", action="append", default=[])
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--engine", choices=("mutation", "atheris"), default="mutation")
    chosen = parser.parse_args()
    found = targets(tuple(chosen.family))
    if not found:
        parser.error(f"unknown family {chosen.family}")
    if chosen.engine == "atheris":
        fuzz_by_atheris(found[0], n_executions=chosen.executions, seed=chosen.seed)
    signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell's background commands are born deaf to it
    lines = {}
    for target in found:
        began_s = time.perf_counter()
        with suppress(KeyboardInterrupt):  # what was done until then counts
            fuzz_by_mutation(target, n_executions=chosen.executions, seed=chosen.seed)
        lines[target.name] = report(target, took_s=time.perf_counter() - began_s)
    print(json.dumps({"engine": "mutation", "seed": chosen.seed, "targets": lines}, indent=1))
    return int(any(target.n_failures for target in found))


if __name__ == "__main__":
    sys.exit(main())
