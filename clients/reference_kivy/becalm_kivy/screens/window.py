"""Opening the one window, phone-shaped; a phone ignores the shape."""

from kivy.config import Config

from becalm_kivy import theme, words
from becalm_protocol.errors import ConfigError

# A slow circle is smooth at 30 pictures a second, and a phone stays cool.
PICTURES_HZ = 30


def open_window(*, n_pixels_per_dp: int = 1) -> None:
    """Open the window, once in a process. Raises ConfigError where none can open."""
    Config.set("graphics", "width", str(theme.WIDTH_DP * n_pixels_per_dp))
    Config.set("graphics", "height", str(theme.HEIGHT_DP * n_pixels_per_dp))
    Config.set("graphics", "maxfps", str(PICTURES_HZ))
    Config.set("input", "mouse", "mouse,disable_multitouch")
    try:
        from kivy.core.window import Window  # opens it
    except (ImportError, SystemExit) as exc:
        raise ConfigError(words.NO_WINDOW, setting="screen") from exc
    if Window is None:
        raise ConfigError(words.NO_WINDOW, setting="screen")
