"""Whether a window can open here, asked cheaply: nothing is opened and Kivy is not imported."""

import importlib.util
import os
import re
import socket
import sys
from pathlib import Path

from becalm_kivy import words

# A display server on this machine answers at once or not at all.
ANSWER_LIMIT_S = 0.5


def can_open_window() -> tuple[bool, str]:
    """Return whether a window can probably open, and if not, why in words."""
    if importlib.util.find_spec("kivy") is None:
        return False, words.KIVY_MISSING
    if not sys.platform.startswith("linux") or os.environ.get("ANDROID_ARGUMENT"):
        return True, ""
    wayland, x11 = os.environ.get("WAYLAND_DISPLAY"), os.environ.get("DISPLAY")
    if not wayland and not x11:
        return False, words.NO_DISPLAY
    if (wayland and _wayland_answers(wayland)) or (x11 and _x11_answers(x11)):
        return True, ""
    return False, words.DISPLAY_SILENT.format(display=wayland or x11)


def _wayland_answers(display: str) -> bool:
    return _answers(str(Path(os.environ.get("XDG_RUNTIME_DIR", "/")) / display))


def _x11_answers(display: str) -> bool:
    local = re.fullmatch(r"(?:unix)?:(\d+)(?:\.\d+)?", display)
    if local is None:  # a display of another machine, as ssh lends it: only opening it would tell
        return True
    place = f"/tmp/.X11-unix/X{local[1]}"  # noqa: S108 - the place that X itself uses
    return _answers(place) or _answers(f"\0{place}")


def _answers(place: str) -> bool:
    try:
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
            probe.settimeout(ANSWER_LIMIT_S)
            probe.connect(place)
    except OSError:
        return False
    return True
