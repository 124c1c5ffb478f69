"""Recordings of other programs: one file a format, each telling its signals and giving their samples.

`detect.py` tells the formats apart, `signals.py` which signal is which; `sampled.py` and `intervals.py` turn what a
format gives into events. The libraries of the extra `formats` are imported in `xdf_file.py` and `fit_file.py` alone,
when needed. Open `sampled.py` first.
"""
