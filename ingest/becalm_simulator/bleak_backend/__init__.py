"""A bleak 3.1 back end over a Bumble host: an agent meets the virtual radio (or a USB dongle) through plain bleak.

Owns the only imports of bleak in the simulator. `async with open_radio("unix:PATH") as radio` gives the types that
bleak takes as `backend=`. Open `opening.py` first.
"""

from becalm_simulator.bleak_backend.opening import RadioClasses, open_radio

__all__ = ["RadioClasses", "open_radio"]
