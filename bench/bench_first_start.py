"""First `demo` from a fresh clone, with pip and with uv: seconds from the command to the first feedback. Prints JSON.

python bench/bench_first_start.py [--installer pip --installer uv]
"""

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
DEMO = ("demo", "--client", "none", "--seconds", "3", "--json", "--port", "0")


def first_start(installer: str) -> dict[str, Any]:
    """Clone, run the demo with one installer, and report its seconds; a second start follows for comparison."""
    with tempfile.TemporaryDirectory(prefix="becalm-first-", dir="/var/tmp") as folder:
        Path(folder).chmod(0o711)  # as root the database runs as another account, which must get in
        clone = Path(folder) / "becalm"
        subprocess.run(["git", "clone", "-q", str(ROOT), str(clone)], check=True)
        starts = [_start(clone, Path(folder), installer) for _ in range(2)]
    return {"first": starts[0], "second": starts[1]}


def _start(clone: Path, folder: Path, installer: str) -> dict[str, Any]:
    command = [sys.executable, str(clone / "run.py"), *DEMO, "--data-dir", str(folder / "data")]
    started_s = time.monotonic()
    done = subprocess.run(command, env=_environment(folder, installer), capture_output=True, text=True, check=False)
    wall_s = time.monotonic() - started_s
    if done.returncode:
        return {"error": done.stderr[-500:]}
    account = json.loads(done.stdout)
    before_demo_s = wall_s - account["demo_wall_s"]
    return {
        "before_demo_s": round(before_demo_s, 2),
        "to_first_feedback_s": round(before_demo_s + account["first_feedback_s"], 2),
    }


def _environment(folder: Path, installer: str) -> dict[str, str]:
    """Return an environment in which only the wanted installer is found, with an empty cache."""
    environment = dict(os.environ, PIP_NO_CACHE_DIR="1", UV_CACHE_DIR=str(folder / "uv-cache"))
    uv = shutil.which("uv") or str(Path(sys.executable).parent / "uv")
    own = folder / "bin"
    own.mkdir(exist_ok=True)
    if installer == "uv" and Path(uv).exists() and not (own / "uv").exists():
        (own / "uv").symlink_to(uv)
    paths = [path for path in os.environ["PATH"].split(os.pathsep) if not (Path(path) / "uv").exists()]
    environment["PATH"] = os.pathsep.join([str(own), *paths])
    return environment


def main() -> None:
    """Print the figures as JSON."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--installer", action="append", choices=["pip", "uv"])
    installers = parser.parse_args().installer or ["pip", "uv"]
    print(json.dumps({"bench": "first_start", **{name: first_start(name) for name in installers}}, indent=2))


if __name__ == "__main__":
    main()
