"""What is settled before the first import of Kivy: no log file with health data, no reading of our command line."""

import os
from pathlib import Path


def prepare_kivy(home: Path) -> None:
    """Set Kivy's environment. Call before Kivy is imported; it changes nothing afterwards.

    In its default log mode Kivy lowers the root logger to zero and writes every library's debug lines, WebSocket
    payloads among them, into a file. PYTHON mode leaves logging alone.
    """
    os.environ["KIVY_NO_ARGS"] = "1"
    os.environ["KIVY_NO_FILELOG"] = "1"
    os.environ["KIVY_LOG_MODE"] = "PYTHON"
    # Kivy's second choice on Linux ends the whole process where it finds no display; the first one only says so.
    os.environ.setdefault("KIVY_WINDOW", "sdl2")
    os.environ.setdefault("KIVY_HOME", str(home / "kivy"))
    Path(os.environ["KIVY_HOME"]).mkdir(parents=True, exist_ok=True)
