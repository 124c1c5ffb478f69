"""What is kept of the electrodes' contact stays small, however long nothing is heard."""

import sys

from becalm_signal.ecg_contact import ContactWatch


def test_a_long_time_without_a_beat_is_not_kept() -> None:
    watch = ContactWatch(130.0)
    for n in range(200):
        watch.feed([float(k % 7) for k in range(n, n + 65)])
    kept = sum(sys.getsizeof(part) for part in vars(watch).values())
    for n in range(2000):
        watch.feed([float(k % 7) for k in range(n, n + 65)])
    assert sum(sys.getsizeof(part) for part in vars(watch).values()) <= kept + 1024
