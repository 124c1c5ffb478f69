"""The part of requirements.lock that some extras or packages need, hashes included.

python docker/subset_lock.py --extra server --extra agent > run.lock
"""

import argparse
import re
import sys
import tomllib
from collections.abc import Iterable
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
_NAME = re.compile(r"^([A-Za-z0-9][A-Za-z0-9._-]*)")


def main() -> None:
    """Print the subset."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--extra", action="append", default=[], help="an extra of pyproject.toml, with its base")
    parser.add_argument("--package", action="append", default=[], help="a package of the lock")
    choices = parser.parse_args()
    lock = (ROOT / "requirements.lock").read_text(encoding="utf-8")
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    wanted = [*choices.package, *(required(project, choices.extra) if choices.extra else [])]
    sys.stdout.write(subset(lock, wanted))


def required(project: dict[str, object], extras: Iterable[str]) -> list[str]:
    """Return the names of what the project and some of its extras ask for."""
    asked: list[str] = list(project["dependencies"])  # type: ignore[call-overload]
    for extra in extras:
        asked += project["optional-dependencies"][extra]  # type: ignore[index]
    return [found[1] for one in asked if (found := _NAME.match(one))]


def subset(lock: str, wanted: Iterable[str]) -> str:
    """Return the entries of the lock that are wanted, or that a wanted one needs by the lock's own notes (`# via`)."""
    entries = {_named(entry): entry for entry in re.split(r"\n(?=[A-Za-z0-9])", lock)[1:]}
    needs: dict[str, set[str]] = {}
    for name, entry in entries.items():
        for parent in re.findall(r"^    #(?: via)? +([A-Za-z0-9._-]+)", entry, re.MULTILINE):
            if parent != "via":
                needs.setdefault(_plain(parent), set()).add(name)
    kept: set[str] = set()
    waiting = [_plain(name) for name in wanted]
    while waiting:
        name = waiting.pop()
        if name not in entries:
            raise SystemExit(f"requirements.lock: expected {name}, found nothing. Make the lock anew")
        if name not in kept:
            kept.add(name)
            waiting += needs.get(name, ())
    return "".join(f"{entries[name].rstrip()}\n" for name in sorted(kept))


def _named(entry: str) -> str:
    found = _NAME.match(entry)
    return _plain(found[1] if found else "")


def _plain(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


if __name__ == "__main__":
    main()
