"""A virtual patient that hears the pacer, wearing virtual sensors on a virtual radio.

Owns the closed-loop body model (`body.py`: pure and seeded; its parts are in docs/virtual_people.md), the device
side of the sensors (`sensors/`: sans-I/O), the radio that carries them (`radio.py`, Bumble) with its faults
(`faults/`; docs/virtual_radio.md), and the bleak back end through which an agent meets them (`bleak_backend/`).
May import becalm_protocol, becalm_ingest.devices, numpy, bumble, bleak and websockets. Open `body.py` first, then
`simulate.py`.
"""
