import re
from pathlib import Path

import pytest

import becalm_kivy
from becalm_kivy import sentences, words
from becalm_kivy.practice_view import PracticeState
from becalm_kivy.signals import SignalState
from becalm_kivy.traces import Curve
from becalm_protocol.derived import Reason

TABLE = {name: text for name, text in vars(words).items() if name.isupper()}
BANNED = (
    "abnormal", "poor", "low score", "score", "failed", "failure", "warning", "stressed", "stress", "imagined",
    "unexplained", "all in your head", "cure", "perfect", "bad", "wrong", "alarm", "anxiety", "diagnos", "disease",
    "error", "danger zone", "streak", "grade", "deep breath",
)  # fmt: skip
PACKAGE = Path(becalm_kivy.__file__).parent


@pytest.mark.parametrize("banned", BANNED)
def test_words_that_stay_out(banned: str) -> None:
    assert [name for name, text in TABLE.items() if re.search(rf"\b{banned}", text, re.IGNORECASE)] == []


def test_the_table_is_flat_and_of_finished_texts() -> None:
    assert len(TABLE) > 80
    assert {name: text for name, text in TABLE.items() if not isinstance(text, str) or text != text.strip()} == {}


def test_every_closed_set_has_its_words() -> None:
    assert set(sentences.WITHHELD) == set(Reason)
    assert set(sentences.STATE_NAMES) == set(SignalState)
    assert set(sentences.CHIP_NAMES) == set(sentences.TRACE_NAMES) == set(Curve)
    assert all(sentences.main(state, link_sentence="link") for state in PracticeState)


def test_withheld_values_blame_no_person() -> None:
    assert [text for text in sentences.WITHHELD.values() if re.search(r"\byou (are|have|did|should)\b", text)] == []


def test_no_sentence_is_written_elsewhere() -> None:
    texts = re.compile(r"\btext: *['\"]\S*[a-z]{3,}", re.IGNORECASE)
    layouts = [path.read_text(encoding="utf-8") for path in [*PACKAGE.rglob("*.kv"), *PACKAGE.rglob("*.py")]]
    assert [hit for layout in layouts for hit in texts.findall(layout)] == []


def test_every_word_is_used() -> None:
    sources = "".join(p.read_text(encoding="utf-8") for p in PACKAGE.rglob("*") if p.suffix in {".py", ".kv"})
    assert [name for name in TABLE if f"words.{name}" not in sources] == []
