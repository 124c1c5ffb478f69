"""The whole demo on this machine: ages at the client, loss, CPU and memory. Prints JSON beside the figures asked.

python bench/bench_demo.py --seconds 60
"""

import argparse
import json
import subprocess
import sys
import tempfile
import time
from collections import defaultdict
from pathlib import Path
from typing import Any

from process_tree import tree_usage

ASKED = {
    "waveform_beat_p95_ms": 50,
    "waveform_beat_p99_ms": 150,
    "metrics_p95_ms": 300,
    "lost": 0,
    "duplicated": 0,
    "cpu_cores": 1.0,
    "memory_mb": 700,
}
SAMPLE_EVERY_S = 1.0
SETTLE_S = 5.0
"""Imports and the first connections are start-up, not the running loop."""


def measure(seconds: float) -> dict[str, Any]:
    """Run one demo and watch its processes."""
    with tempfile.TemporaryDirectory(prefix="becalm-bench-", dir="/var/tmp") as folder:
        Path(folder).chmod(0o711)  # as root the database runs as another account, which must get in
        words = ["demo", "--client", "none", "--seconds", str(seconds), "--json", "--port", "0", "--data-dir", folder]
        demo = subprocess.Popen([sys.executable, "-m", "becalm_cli", *words], stdout=subprocess.PIPE, text=True)
        watched = _watch(demo)
        output = demo.communicate()[0]
    account = json.loads(output) if output.startswith("{") else {"errors": ["the demo ended without an account"]}
    return {"exit_code": demo.returncode, "usage": watched, "account": account}


def _watch(demo: "subprocess.Popen[str]") -> dict[str, Any]:
    started_s = time.monotonic()
    first: dict[int, float] = {}
    cpu_s: dict[str, float] = defaultdict(float)
    peak_mb: dict[str, float] = {}
    settled_s = last_s = None
    last: dict[int, Any] = {}
    while demo.poll() is None:
        now_s = time.monotonic()
        if now_s - started_s > SETTLE_S:
            now = tree_usage(demo.pid)
            settled_s = settled_s or now_s
            last_s = now_s
            last |= now
            for pid, usage in now.items():
                first.setdefault(pid, usage.cpu_s)
            total_mb = sum(usage.pss_mb for usage in now.values())
            if total_mb > sum(peak_mb.values()):
                peak_mb = {f"{usage.name} {pid}": round(usage.pss_mb, 1) for pid, usage in now.items()}
        time.sleep(SAMPLE_EVERY_S)
    for pid, usage in last.items():
        cpu_s[usage.name] += usage.cpu_s - first[pid]
    watched_s = (last_s or 0) - (settled_s or 0)
    return {
        "cpu_cores": round(sum(cpu_s.values()) / watched_s, 3) if watched_s else None,
        "cpu_cores_by_process": {name: round(s / watched_s, 3) for name, s in cpu_s.items()} if watched_s else {},
        "memory_mb": round(sum(peak_mb.values())),
        "memory_mb_by_process": peak_mb,
    }


def main() -> None:
    """Print the figures as JSON."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=60.0)
    result = measure(parser.parse_args().seconds)
    print(json.dumps({"bench": "demo", "asked": ASKED, **result}, indent=2))


if __name__ == "__main__":
    main()
