"""A virtual patient that hears the pacer, wearing virtual sensors on a virtual radio.

Owns the closed-loop body model (`body.py`: pure and seeded; its parts are in docs/virtual_people.md), the device
side of three sensors (`sensors/`: sans-I/O), the radio that carries them (`radio.py`, Bumble) and the bleak back end
through which an agent meets them (`bleak_backend.py`). May import becalm_protocol, numpy, bumble, bleak and websockets.
Open `body.py` first, then `simulate.py`.
"""
