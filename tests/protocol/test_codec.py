"""Both encodings round-trip, match the golden frames, and meet anything else with WireError."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from becalm_protocol import codec, derived, events, handshake, limits
from becalm_protocol.errors import CloseCode, UnknownTypeError, WireError

GOLDEN = Path(__file__).parent / "golden"


def test_round_trip_in_both_forms(named_message: tuple[str, object]) -> None:
    message = named_message[1]
    assert codec.decode(codec.encode_json(message)) == message
    assert codec.decode(codec.encode_msgpack(message)) == message


def test_golden_frames_stay_readable_and_unchanged(named_message: tuple[str, object]) -> None:
    name, message = named_message
    text, binary = GOLDEN / f"{name}.json", GOLDEN / f"{name}.msgpack.hex"
    if os.environ.get("BECALM_WRITE_GOLDEN"):
        text.write_text(codec.encode_json(message) + "\n", encoding="utf-8")
        binary.write_text(codec.encode_msgpack(message).hex() + "\n", encoding="utf-8")
    assert codec.decode_json(text.read_text(encoding="utf-8").strip()) == message
    assert codec.decode_msgpack(bytes.fromhex(binary.read_text(encoding="utf-8"))) == message
    assert codec.encode_json(message) == text.read_text(encoding="utf-8").strip()


def test_every_type_of_the_wire_has_a_golden_frame() -> None:
    written = {part for path in GOLDEN.glob("*.json") for part in path.name.split(".")}
    unions = (handshake.Message, handshake.LiveEvent, events.RawEvent, derived.Derived)
    assert {cls.__name__ for union in unions for cls in get_args(union)} <= written


def test_unknown_fields_are_ignored_and_unknown_types_are_told_apart() -> None:
    assert codec.decode_json('{"type":"ping","sent_ns":1,"added_later":[1]}') == handshake.Ping(sent_ns=1)
    with pytest.raises(UnknownTypeError, match="added_later"):
        codec.decode_json('{"type":"added_later"}')


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "expected JSON"),
        ("[1]", "expected an object"),
        ('{"type":"ping"}', "ping.sent_ns: expected, but absent"),
        ('{"type":"ping","sent_ns":1.5}', r"ping.sent_ns: expected an integer \(64 bits\), got 1.5"),
        ('{"type":"ping","sent_ns":true}', "expected an integer"),
        ('{"type":"data","seq":0,"event":{"type":"battery","stream_id":"a","received_ns":1,"level_pct":1}}', "seq"),
        ('{"type":"data","seq":1,"event":{"type":"ping","sent_ns":1}}', "expected one of"),
        ('{"type":"data","seq":1,"event":{"type":"battery","stream_id":"a","received_ns":1,"level_pct":101}}', "100"),
        ('{"type":"agent_welcome","version":1,"heartbeat_s":NaN,"credit_frames":1}', "finite"),
        ('{"type":"agent_status","sensors":{"a":1}}', "expected a list"),
        ("[" * 50_000, "expected JSON"),
        ('{"type":"agent_welcome","version":1,"heartbeat_s":1' + 400 * "0" + ',"credit_frames":1}', "finite"),
        ('{"type":"ping","sent_ns":9223372036854775808}', "64 bits"),
        ('{"type":"problem","detail":"half a \\ud800"}', "expected text"),
        (490 * '{"type":"data","seq":1,"event":' + "1" + 490 * "}", "expected one of sample_block"),
        ('{"type":"data","seq":1,"event":{"type":"added_later"}}', "added_later"),
    ],
)  # fmt: skip
def test_malformed_messages_name_the_field(text: str, says: str) -> None:
    with pytest.raises(WireError, match=says):
        codec.decode_json(text)


def test_a_frame_over_the_cap_is_refused_before_it_is_parsed() -> None:
    for data in (" " * 70_000, b"\x00" * 70_000):
        with pytest.raises(WireError, match=str(limits.MAX_FRAME_BYTES)) as caught:
            codec.decode(data)
        assert caught.value.close_code is CloseCode.TOO_BIG


@given(st.binary(max_size=200))
def test_random_bytes_are_a_message_or_a_wire_error(data: bytes) -> None:
    for form in (data, data.decode("latin-1")):
        try:
            codec.decode(form)
        except WireError:
            continue


JSON_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=5,
)


@given(field=st.sampled_from(["seq", "event", "ledger", "type"]), junk=JSON_VALUES)
def test_junk_in_any_field_is_a_message_or_a_wire_error(field: str, junk: object) -> None:
    plain = json.loads((GOLDEN / "Live.Metrics.json").read_text(encoding="utf-8"))
    plain[field] = junk
    try:
        codec.from_plain(plain)
    except WireError:
        return


@given(
    counts=st.lists(st.integers(limits.MIN_COUNT, limits.MAX_COUNT), min_size=1, max_size=300),
    first_sample_idx=st.integers(0, limits.MAX_SESSION_NS),
    sensor_ns=st.none() | st.integers(0, 2**62),
)
def test_any_sample_block_survives_both_forms(counts: list[int], first_sample_idx: int, sensor_ns: int | None) -> None:
    block = events.SampleBlock(
        stream_id="s", received_ns=1, first_sample_idx=first_sample_idx, sensor_ns=sensor_ns, counts=tuple(counts)
    )
    data = handshake.Data(seq=1, event=block)
    assert codec.decode_json(codec.encode_json(data)) == data
    assert codec.decode_msgpack(codec.encode_msgpack(data)) == data


def test_importing_the_protocol_loads_nothing_heavy() -> None:
    heavy = ("numpy", "scipy", "kivy", "bleak", "neurokit2", "fastapi", "psycopg", "bumble")
    code = f"import sys, becalm_protocol.codec; sys.exit(any(m in sys.modules for m in {heavy!r}))"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_the_json_path_works_without_msgspec() -> None:
    code = (
        "import sys; sys.modules['msgspec'] = None\n"
        "from becalm_protocol import codec, handshake\n"
        "assert codec.decode(codec.encode_json(handshake.Ping(sent_ns=1))).sent_ns == 1\n"
        "try: codec.decode(b'x')\n"
        "except codec.WireError as exc: print(exc)"
    )
    said = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True).stdout
    assert "expected JSON text" in said
