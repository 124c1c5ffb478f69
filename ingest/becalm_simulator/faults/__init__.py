"""Faults on the virtual radio: a line of text each, staged at their time, and what really happened.

`language.py` has the kinds and their forms, `plan.py` draws faults from a seed, `line.py` stages them.
"""

from becalm_simulator.faults.language import Fault, FaultKind, known_faults, parse_fault
from becalm_simulator.faults.line import FaultLine, Happening
from becalm_simulator.faults.plan import seeded_faults

__all__ = ["Fault", "FaultKind", "FaultLine", "Happening", "known_faults", "parse_fault", "seeded_faults"]
