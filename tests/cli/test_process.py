"""Processes that belong to another end with it."""

import subprocess
import sys

WORK = """
import os, sys, time
from becalm_cli.process import worker_pool

if __name__ == "__main__":
    pool = worker_pool(1)
    print(pool.submit(os.getpid).result(), flush=True)
    pool.submit(time.sleep, 60.0)
    time.sleep(60.0)
"""


def test_a_worker_ends_with_its_killed_parent() -> None:
    with subprocess.Popen([sys.executable, "-c", WORK], stdout=subprocess.PIPE, text=True) as parent:
        assert parent.stdout is not None
        assert int(parent.stdout.readline()) != parent.pid
        parent.kill()
        # The worker holds the same pipe: it ends for us once both of them have gone.
        assert parent.stdout.read() == ""
