"""Live signal processing, pure: feed(event) -> events, the same whatever the cut of the packets.

Owns beats, RR flags, heart rate and its variability, breathing, skin conductance, signal quality and arousal. Imports
becalm_protocol, the standard library and numpy; NeuroKit2 only in `neurokit_signals.py`. Open `pipeline.py` first.
"""
