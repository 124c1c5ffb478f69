from pathlib import Path

import pytest

from becalm_kivy.own_folder import own_folder
from becalm_kivy.preferences import PreferenceFile, Preferences

CHOSEN = Preferences(show_curves=True, show_numbers=True, reduced_motion=True, text_scale=1.6)


def test_choices_are_kept(tmp_path: Path) -> None:
    file = PreferenceFile(tmp_path / "client.json")
    assert file.read() == Preferences()
    assert file.write(CHOSEN)
    assert PreferenceFile(tmp_path / "client.json").read() == CHOSEN
    assert [path.name for path in tmp_path.iterdir()] == ["client.json"]


@pytest.mark.parametrize(
    "content",
    ["", "{", "[]", '{"show_curves": "yes", "text_scale": "big"}', '{"text_scale": true}', '{"text_scale": NaN}'],
)
def test_what_cannot_be_read_keeps_its_default(tmp_path: Path, content: str) -> None:
    (tmp_path / "client.json").write_text(content, encoding="utf-8")
    assert PreferenceFile(tmp_path / "client.json").read() == Preferences()


def test_any_text_scale_becomes_the_nearest_offered(tmp_path: Path) -> None:
    (tmp_path / "client.json").write_text('{"text_scale": 1.4}', encoding="utf-8")
    assert PreferenceFile(tmp_path / "client.json").read().text_scale == 1.3


def test_the_environment_goes_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = PreferenceFile(tmp_path / "client.json")
    file.write(CHOSEN)
    monkeypatch.setenv("BECALM_REDUCED_MOTION", "0")
    monkeypatch.setenv("BECALM_TEXT_SCALE", "1.0")
    assert (file.read().reduced_motion, file.read().text_scale) == (False, 1.0)
    monkeypatch.setenv("BECALM_TEXT_SCALE", "huge")
    assert file.read().text_scale == 1.6


def test_a_disk_that_takes_nothing_is_told(tmp_path: Path) -> None:
    assert PreferenceFile(tmp_path / "not there" / "client.json").write(CHOSEN) is False


def test_the_folder_is_the_chosen_one_and_private(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BECALM_CLIENT_DIR", str(tmp_path / "mine"))
    assert own_folder() == tmp_path / "mine"
    assert (tmp_path / "mine").stat().st_mode & 0o077 == 0


def test_an_unusable_folder_gives_way_to_a_temporary_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").write_text("", encoding="utf-8")
    monkeypatch.setenv("BECALM_CLIENT_DIR", str(tmp_path / "file" / "folder"))
    folder = own_folder()
    assert folder.is_dir()
    assert not folder.is_relative_to(tmp_path / "file")
