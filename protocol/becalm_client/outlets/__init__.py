"""Live values for other programs: `osc_outlet.py` over UDP, `lsl_outlet.py` on the network of a laboratory.

Each is a client of the public live interface like any other. Open `signal_names.py` first: what signals are called.
"""
