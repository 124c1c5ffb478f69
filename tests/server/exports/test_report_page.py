"""The page about a session, read by a parser of HTML and one of XML: what it says, and that it needs nothing else."""

import re
import xml.etree.ElementTree as ET
from dataclasses import replace
from html.parser import HTMLParser
from typing import Any

import pytest
from tests.kivy.test_words import BANNED
from tests.server.exports.conftest import MakeExport

from becalm_protocol.derived import Index, Reason, SlowMetrics
from becalm_protocol.events import Phase, SignalKind
from becalm_protocol.units import NS_PER_S
from becalm_server.archive.doubts import Doubt
from becalm_server.archive.store import open_own_archive
from becalm_server.exports import report_words as words
from becalm_server.exports.report_chart import MAX_POINTS, chart
from becalm_server.exports.report_facts import CHARTED, HRV, Mark, Point, gather
from becalm_signal.arousal import FEATURES

NONE = "\u2013"
SVG = "{http://www.w3.org/2000/svg}"


class Page(HTMLParser):
    """Every tag closed, every table as rows of texts, every attribute seen."""

    EMPTY = frozenset({"meta", "path", "rect"})

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.attributes: list[tuple[str, str, str | None]] = []
        self.rows: list[list[str]] = []
        self.texts: list[str] = []
        self.feed(text)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.attributes += [(tag, name, content) for name, content in attrs]
        if tag == "tr":
            self.rows.append([])
        if tag in {"th", "td"}:
            self.rows[-1].append("")
        if tag not in self.EMPTY:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.attributes += [(tag, name, content) for name, content in attrs]

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if "style" not in self.open:
            self.texts.append(data)
        if {"th", "td"} & set(self.open):
            self.rows[-1][-1] += data


END = "At the end of practice arousal was"


@pytest.fixture
def page(session_id: str, export: MakeExport) -> Page:
    return Page(export(session_id, "html", device_names=True).decode())


def test_page_is_whole_and_needs_nothing_else(page: Page, session_id: str, export: MakeExport) -> None:
    assert page.open == []
    reaching = [one for one in page.attributes if one[1] in {"src", "href", "srcset", "action", "data", "xlink:href"}]
    assert reaching == []
    text = export(session_id, "html").decode()
    assert not re.search(r"https?:|url\(|@import|<script|<link|<img", text)
    assert "default-src 'none'" in text
    assert ("html", "lang", "en") in page.attributes
    assert {scope for tag, name, scope in page.attributes if (tag, name) == ("th", "scope")} == {"col", "row"}
    assert len([tag for tag, name, role in page.attributes if (tag, name, role) == ("svg", "role", "img")]) == 3


def test_names_of_sensors_are_text_and_asked_for(page: Page, session_id: str, export: MakeExport) -> None:
    sensors = [row[1] for row in page.rows if row[0] in words.KINDS.values()]
    assert sensors[:2] == ['Anna\'s <H10> & "belt"; 1µ', "=cmd|' /C calc'!A0"]
    unnamed = Page(export(session_id, "html").decode())
    assert [row[1] for row in unnamed.rows if row[0] in words.KINDS.values()][:2] == ["sensor 1", "sensor 2"]


def test_numbers_are_those_of_the_session(page: Page) -> None:
    rows = {row[0]: row[1:] for row in page.rows}
    # The only window of 60 s that lies wholly in practice (from 30 s on) is that of second 90: 60 + 90 / 8.
    assert rows["RMSSD"] == ["no whole window", "71.2 ± 0.5 ms (100%)", NONE]
    assert rows["RMSSD over 5 min"] == ["no whole window", "no whole window", NONE]
    # Hum from second 1, noisy from second 3 to the end at 90; 90 beats, one flagged, a third as many from the strap.
    ecg = next(row for row in page.rows if row[0] == "ECG")
    assert ecg[5:] == ["3% of the time; mains in the signal 2 s", "too much noise 1 min 27 s"]
    assert ecg[3:5] == [f"{70 * 130 + 73:,}", "1"]  # one block came twice
    text = " ".join(page.texts)
    assert "90 beats from ECG, 1 of them unclear and left out of variability" in text
    assert "8 breaths; 8 skin responses" in text
    assert "arousal was 71 ± 0.5 points lower" in text  # the made-up subsidence of the last window: 71.25 ± 0.5
    assert "Told at no moment: skin level." in text
    assert "signal pipeline version" in text


async def test_a_session_that_was_derived_again_says_so(session_id: str, export: MakeExport, database_url: str) -> None:
    async with open_own_archive(database_url) as archive:
        await archive.rows("doubt_sessions", session_id=[session_id], reason=[Doubt.LATE.value])
        await archive.rows(
            "insert_annotation", annotation_id="m", session_id=session_id, kind="marker", t_ns=45 * NS_PER_S,
            text="<b>bell</b>", n_max=9,
        )  # fmt: skip
    page = Page(export(session_id, "html").decode())
    text = " ".join(page.texts)
    assert "will be worked out again, as some of it came after the end" in text
    assert "<b>bell</b> (45 s)" in text


async def test_a_recording_without_practice_is_told_as_a_whole(store: Any, recording: Any, export: MakeExport) -> None:
    recording.fill()
    kept = [one for one in recording.conclusions if getattr(one, "phase", None) is not Phase.PRACTICE]
    recording.conclusions = kept
    page = Page(export(await store(recording), "html").decode())
    heads = next(row for row in page.rows if row[0] == "Index")
    rows = {row[0]: row[1:] for row in page.rows}
    assert heads == ["Index", "Whole session", "NeuroKit2, whole session"]
    # Seconds 60 to 90, each told as 60 + second / 8; NeuroKit2's only window is that of second 60.
    assert rows["RMSSD"] == ["69.4 ± 0.5 ms (100%)", "31.2 ms"]
    text = " ".join(page.texts)
    assert "There was no practice" in text
    assert "practice cannot be told" not in text


async def test_wide_bounds_are_plain_numbers(store: Any, recording: Any, export: MakeExport) -> None:
    recording.fill()
    told: dict[str, Any] = dict.fromkeys(SlowMetrics.index_names(), Index(value=2345.0, bound=153.0, sample_ns=0))
    recording.conclusions = [
        replace(one, **told) if isinstance(one, SlowMetrics) else one for one in recording.conclusions
    ]
    page = Page(export(await store(recording), "html").decode())
    rows = {row[0]: row[1:] for row in page.rows}
    assert rows["SDNN"][1] == "2,345 ± 153 ms (100%)"
    assert not re.search(r"\de[+-]\d", " ".join(page.texts))


def test_what_arousal_was_made_of_is_told() -> None:
    assert words.made_of({}) == ""
    told = words.made_of({"scr_per_min": 0.5, "heart_rate_bpm": 1.0})
    assert told.startswith("Here it was made of heart rate (100%), skin responses (50%)")
    assert set(words.FEATURES) == {feature.name for feature in FEATURES}


def test_the_scale_is_told_as_it_is_made() -> None:
    assert "its first minute, and the second as long as no pacer ran" in words.SCALE


async def test_a_session_without_anything_has_a_page_too(store: Any, recording: Any, export: MakeExport) -> None:
    recording.streams = (recording.rr,)
    page = Page(export(await store(recording), "html").decode())
    text = " ".join(page.texts)
    assert "There was no practice" in text
    assert "Told at no moment: arousal, heart rate, breathing rate, skin level" in text


@pytest.mark.parametrize(
    ("told", "sentence"),
    [
        (
            {"value": 7.6, "bound": 3.2},
            f"{END} 7.6 ± 3.2 points lower than in its first minute.",
        ),
        (
            {"value": -12.2, "bound": 4.0},
            f"{END} 12 ± 4 points higher than in its first minute.",
        ),
        (
            {"value": 99.7, "bound": 104.0},
            f"{END} 100 ± 104 points lower than in its first minute.",
        ),
        ({"reason": "cannot_tell"}, "cannot be told: the data hold a fall as well as a rise."),
        ({"reason": "of a later version"}, "cannot be told: not told."),
        (None, "cannot be told: nothing was measured for long enough."),
    ],
)
def test_subsidence_is_a_sentence(told: Any, sentence: str) -> None:
    assert words.subsidence(told).endswith(sentence)


def test_every_closed_set_has_its_words() -> None:
    assert set(words.REASONS) == set(Reason)
    assert set(words.KINDS) == {kind.value for kind in SignalKind}
    assert set(words.AGAIN) == {doubt.value for doubt in Doubt}
    assert set(words.INDICES) == {*CHARTED, *(row[0] for row in HRV)}


@pytest.mark.parametrize("banned", [word for word in BANNED if word != "error"])  # of measurement, here
def test_words_that_stay_out(page: Page, banned: str) -> None:
    assert not re.search(rf"\b{banned}", " ".join(page.texts), re.IGNORECASE)


def drawn(points: list[Point], *, end_s: float = 100.0) -> ET.Element:
    picture = chart(
        points, title="a & b", description="c < d", end_s=end_s, phases=(Mark(t_s=0, label="baseline"),),
        markers=(Mark(t_s=50, label="bell"),), size=(400, 200),
    )  # fmt: skip
    return ET.fromstring(picture.replace("<svg ", f'<svg xmlns="{SVG[1:-1]}" ', 1))


def lines(picture: ET.Element) -> list[ET.Element]:
    return [path for path in picture.iter(f"{SVG}path") if path.get("stroke-linejoin")]


def test_what_is_withheld_is_not_drawn() -> None:
    points = [Point(t_s=t, value=None if 40 <= t < 60 else 50.0 + t, bound=2.0) for t in range(100)]
    assert len(lines(drawn(points))) == 2
    assert lines(drawn([Point(t_s=1, value=None, bound=None)])) == []
    assert len(lines(drawn([Point(t_s=1, value=5.0, bound=1.0)]))) == 1


@pytest.mark.parametrize("n_seconds", [100, 10_000])
def test_no_line_is_drawn_over_a_silence(n_seconds: int) -> None:
    silence = range(n_seconds // 2, n_seconds // 2 + 4)
    points = [Point(t_s=t, value=50.0 + t, bound=2.0) for t in range(n_seconds) if t not in silence]
    assert len(lines(drawn(points, end_s=n_seconds))) == 2
    jittered = [Point(t_s=1.5 * t, value=50.0, bound=2.0) for t in range(n_seconds)]
    assert len(lines(drawn(jittered, end_s=1.5 * n_seconds))) == 1


def test_a_long_session_keeps_its_widest_bound() -> None:
    points = [Point(t_s=t, value=50.0, bound=20.0 if t == 7_001 else 2.0) for t in range(10_000)]
    picture = drawn(points, end_s=10_000.0)
    (line,) = lines(picture)
    assert str(line.get("d")).count("L") < MAX_POINTS
    bands = [path for path in picture.iter(f"{SVG}path") if path.get("fill-opacity") == ".16"]
    heights = [float(place.split()[1]) for place in str(bands[0].get("d")).strip("MZ").split("L")]
    usual = max(heights, key=heights.count)
    assert len({height for height in heights if abs(height - usual) > 20}) >= 1


async def test_facts_of_a_part_are_medians(session_id: str, open_content: Any) -> None:
    with open_content(session_id) as content:
        facts = gather(content)
    assert facts.arousal_from == {"heart_rate_bpm": 1.0, "scr_per_min": 1.0}
    rmssd = next(index for index in facts.indices if index.name == "rmssd_ms")
    assert rmssd.parts["practice"].middle == pytest.approx(60 + 90 / 8)
    assert rmssd.neurokit is None  # its only window began before practice
    arousal = [point.value for point in facts.lines["arousal"]]
    assert arousal[:10] == [None] * 10
    assert arousal[10] == pytest.approx(60 + 11 / 8)
