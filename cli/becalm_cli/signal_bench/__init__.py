"""`becalm bench signal`: the live pipeline on recordings with outside truth, NeuroKit2 beside it in the same run.

Each module gives one function a figure: `records.py` reads and runs, the others score. Open `figures.py` first.
"""
