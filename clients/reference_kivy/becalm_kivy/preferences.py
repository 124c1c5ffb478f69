"""How a person likes the screen: a handful of choices kept in one small file."""

import json
import os
from dataclasses import asdict, fields, replace
from pathlib import Path
from typing import Any

from becalm_protocol.events import value

TEXT_SCALES = (1.0, 1.3, 1.6)


@value
class Preferences:
    """Choices about the screen and the server; nothing about the person."""

    show_curves: bool = False
    show_numbers: bool = False
    reduced_motion: bool = False
    text_scale: float = 1.0
    """One of TEXT_SCALES."""
    server_url: str = ""
    """The server last paired in the window; empty: none."""


class PreferenceFile:
    """Reads and writes the choices; BECALM_REDUCED_MOTION and BECALM_TEXT_SCALE go before the file."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def read(self) -> Preferences:
        """Return the choices; whatever cannot be read keeps its default."""
        try:
            kept = json.loads(self._path.read_text(encoding="utf-8"))
        except (OSError, ValueError):
            kept = {}
        return _with_environment(_checked(kept if isinstance(kept, dict) else {}))

    def write(self, preferences: Preferences) -> bool:
        """Keep the choices; return whether the disk took them."""
        draft = self._path.with_suffix(".new")
        try:
            draft.write_text(json.dumps(asdict(preferences), indent=2), encoding="utf-8")
            draft.replace(self._path)
        except OSError:
            return False
        return True


def _checked(kept: dict[str, object]) -> Preferences:
    preferences = Preferences()
    for field in fields(Preferences):
        choice = kept.get(field.name)
        if type(choice) is type(field.default) and field.name != "text_scale":
            change: dict[str, Any] = {field.name: choice}
            preferences = replace(preferences, **change)
    return replace(preferences, text_scale=_nearest_scale(kept.get("text_scale")))


def _with_environment(preferences: Preferences) -> Preferences:
    if (wish := os.environ.get("BECALM_REDUCED_MOTION")) is not None:
        preferences = replace(preferences, reduced_motion=wish.strip().lower() in {"1", "true", "yes", "on"})
    if (scale := os.environ.get("BECALM_TEXT_SCALE")) is not None:
        try:
            preferences = replace(preferences, text_scale=_nearest_scale(float(scale)))
        except ValueError:
            return preferences
    return preferences


def _nearest_scale(wish: object) -> float:
    if not isinstance(wish, int | float) or wish != wish:
        return TEXT_SCALES[0]
    return min(TEXT_SCALES, key=lambda scale: abs(scale - wish))
