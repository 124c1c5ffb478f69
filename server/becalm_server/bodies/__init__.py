"""Bodies of the HTTP interface: what a request may hold, strictly, and what an answer holds, with an example of each.

Imports pydantic and becalm_protocol. Open `fields.py` first: the kinds of text and time that the interface takes.
"""
