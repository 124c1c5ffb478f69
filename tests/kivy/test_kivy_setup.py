"""Run in processes of their own: what is settled before Kivy's first import cannot be tried twice."""

import os
import subprocess
import sys
from pathlib import Path

SPEAK = """
import logging, sys
from pathlib import Path
if sys.argv[2] == "prepared":
    from becalm_kivy.kivy_setup import prepare_kivy
    prepare_kivy(Path(sys.argv[1]))
import kivy
from kivy.logger import Logger
logging.getLogger("websockets.client").debug('< TEXT {"heart_rate_bpm": 71}')
import becalm_kivy.feed
logging.getLogger("becalm_kivy.wire").debug('< TEXT {"heart_rate_bpm": 71}')
logging.shutdown()
"""
PHONE_PATH = """
import sys
import becalm_kivy.app, becalm_kivy.feed, becalm_kivy.model, becalm_kivy.words
loaded = {name.split(".")[0] for name in sys.modules}
unwanted = loaded & {"kivy", "numpy", "scipy", "rich", "pydantic", "httpx", "fastapi", "bleak"}
sys.exit(f"loaded {unwanted}" if unwanted else 0)
"""


def run(code: str, *arguments: str, home: Path) -> subprocess.CompletedProcess[str]:
    environment = {name: text for name, text in os.environ.items() if not name.startswith("KIVY_")}
    environment |= {"KIVY_HOME": str(home / "kivy"), "KIVY_NO_ARGS": "1"}
    return subprocess.run(
        [sys.executable, "-c", code, *arguments],
        env=environment, capture_output=True, text=True, check=False, timeout=30,
    )  # fmt: skip


def written(home: Path) -> str:
    return "".join(path.read_text(encoding="utf-8") for path in home.rglob("kivy_*.txt"))


def test_no_payload_reaches_a_log_file(tmp_path: Path) -> None:
    ran = run(SPEAK, str(tmp_path), "prepared", home=tmp_path)
    assert ran.returncode == 0, ran.stderr
    assert list(tmp_path.rglob("kivy_*.txt")) == []
    assert "heart_rate_bpm" not in ran.stdout + ran.stderr


def test_the_trap_is_real(tmp_path: Path) -> None:
    (tmp_path / "kivy").mkdir()
    ran = run(SPEAK, str(tmp_path), "unprepared", home=tmp_path)
    assert ran.returncode == 0, ran.stderr
    assert "heart_rate_bpm" in written(tmp_path)


def test_the_client_without_its_window_needs_nothing_but_websockets(tmp_path: Path) -> None:
    ran = run(PHONE_PATH, home=tmp_path)
    assert ran.returncode == 0, ran.stderr
