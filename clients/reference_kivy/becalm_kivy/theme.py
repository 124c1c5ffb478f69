"""Colours, sizes and type of the client, in one place. Contrast on CARD: TEXT 12.9:1, MUTED 6.8:1, TEAL 7.2:1."""

Colour = tuple[float, float, float, float]

INK: Colour = (0.07, 0.10, 0.14, 1.0)
CARD: Colour = (0.11, 0.15, 0.20, 1.0)
RAISED: Colour = (0.16, 0.21, 0.27, 1.0)
LINE: Colour = (0.24, 0.30, 0.37, 1.0)
TEXT: Colour = (0.90, 0.93, 0.95, 1.0)
MUTED: Colour = (0.62, 0.69, 0.75, 1.0)
TEAL: Colour = (0.36, 0.76, 0.73, 1.0)
SAND: Colour = (0.93, 0.76, 0.48, 1.0)
LAVENDER: Colour = (0.66, 0.68, 0.95, 1.0)
ON_TEAL: Colour = (0.04, 0.12, 0.14, 1.0)

STALE_ALPHA = 0.35
"""What is not now is drawn this faint, and says so in words."""

WIDTH_DP, HEIGHT_DP = 412, 915
TOUCH_DP = 48


def faint(colour: Colour, alpha: float) -> Colour:
    """Return a colour at another opacity."""
    return (*colour[:3], alpha)
