"""Whether a window can open here, asked cheaply: nothing is opened and Kivy is not imported."""

import importlib.util
import os
import sys

from becalm_kivy import words


def can_open_window() -> tuple[bool, str]:
    """Return whether a window can probably open, and if not, why in words."""
    if importlib.util.find_spec("kivy") is None:
        return False, words.KIVY_MISSING
    if sys.platform.startswith("linux") and not _has_display():
        return False, words.NO_DISPLAY
    return True, ""


def _has_display() -> bool:
    names = ("DISPLAY", "WAYLAND_DISPLAY", "ANDROID_ARGUMENT")
    return any(os.environ.get(name) for name in names)
