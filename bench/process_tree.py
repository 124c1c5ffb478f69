"""CPU time and memory of a process and all its descendants, from /proc (Linux)."""

import os
from dataclasses import dataclass
from pathlib import Path

TICKS_PER_S = os.sysconf("SC_CLK_TCK")
PAGE_BYTES = os.sysconf("SC_PAGE_SIZE")


_NAMES = {word.encode(): word for word in ("serve", "agent", "simulate", "client", "demo")}
_NAMES |= {
    b"--serve": "serve",
    b"becalm_server.lane_worker:serve": "pipelines",
    b"becalm_server.worker_jobs:serve_jobs": "jobs",
}


@dataclass(frozen=True, kw_only=True)
class Usage:
    """What one process has used so far."""

    name: str
    parent_pid: int
    cpu_s: float
    rss_mb: float
    pss_mb: float
    """Its share of memory: pages shared by n processes count 1/n."""


def _read(pid: int) -> Usage | None:
    folder = Path(f"/proc/{pid}")
    try:
        stat = (folder / "stat").read_text()
        words = (folder / "cmdline").read_bytes().split(b"\0")
        rollup = (folder / "smaps_rollup").read_text()
    except OSError:  # it ended while we looked
        return None
    after_name = stat.rpartition(")")[2].split()
    pss_kb = next((int(line.split()[1]) for line in rollup.splitlines() if line.startswith("Pss:")), 0)
    known = [_NAMES[word] for word in words if word in _NAMES]
    return Usage(
        name=known[0] if known else Path(words[0].decode(errors="replace")).name.partition(":")[0],
        parent_pid=int(after_name[1]),
        cpu_s=(int(after_name[11]) + int(after_name[12])) / TICKS_PER_S,
        rss_mb=int(after_name[21]) * PAGE_BYTES / 1e6,
        pss_mb=pss_kb / 1e3,
    )


def tree_usage(root_pid: int) -> dict[int, Usage]:
    """Return the usage of `root_pid` and every descendant that lives now."""
    everyone = {int(p.name): usage for p in Path("/proc").glob("[0-9]*") if (usage := _read(int(p.name)))}
    family = {root_pid} & everyone.keys()
    grown = True
    while grown:
        more = {pid for pid, usage in everyone.items() if usage.parent_pid in family} - family
        family |= more
        grown = bool(more)
    return {pid: everyone[pid] for pid in family}
