"""The words and the wire of becalm.

Owns the events, the derived values, the messages, their two encodings, the error tree and the caps on whatever a peer
controls. Imports the standard library only (msgspec for the binary form, where installed). Open `events.py` first.
"""
