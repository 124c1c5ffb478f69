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
from becalm_protocol.envelope import seal
from becalm_protocol.errors import CloseCode, UnknownTypeError, WireError
from becalm_protocol.forms import (
    AGENT_SUBPROTOCOLS,
    CLIENT_SUBPROTOCOLS,
    SUBPROTOCOL_2_JSON,
    SUBPROTOCOL_2_MSGPACK,
    SUBPROTOCOL_JSON,
    SUBPROTOCOL_MSGPACK,
)

GOLDEN = Path(__file__).parent / "golden"
FILES = {
    SUBPROTOCOL_JSON: "json",
    SUBPROTOCOL_2_JSON: "json",
    SUBPROTOCOL_MSGPACK: "msgpack.hex",
    SUBPROTOCOL_2_MSGPACK: "sealed.hex",
}
"""The text is the same in both versions."""


def test_round_trip_in_both_forms(named_message: tuple[str, object]) -> None:
    message = named_message[1]
    assert codec.decode(codec.encode_json(message)) == message
    assert codec.decode(codec.encode_msgpack(message)) == message


@pytest.mark.parametrize("subprotocol", dict.fromkeys((*AGENT_SUBPROTOCOLS, *CLIENT_SUBPROTOCOLS)))
def test_golden_frames_stay_readable_and_unchanged(named_message: tuple[str, object], subprotocol: str) -> None:
    name, message = named_message
    path = GOLDEN / f"{name}.{FILES[subprotocol]}"
    if os.environ.get("BECALM_WRITE_GOLDEN"):
        frame = codec.encode(message, subprotocol=subprotocol)
        path.write_text(f"{frame if isinstance(frame, str) else frame.hex()}\n", encoding="utf-8")
    text = path.read_text(encoding="utf-8").strip()
    written = text if path.suffix == ".json" else bytes.fromhex(text)
    assert codec.decode(written, subprotocol=subprotocol) == message
    assert codec.decode(written) == message
    assert codec.encode(message, subprotocol=subprotocol) == written


def test_where_frames_are_sealed_no_other_is_taken() -> None:
    ping = handshake.Ping(sent_ns=1)
    for frame in (codec.encode_json(ping), codec.encode_msgpack(ping)):
        with pytest.raises(WireError, match="expected a"):
            codec.decode(frame, subprotocol=SUBPROTOCOL_2_MSGPACK)
    with pytest.raises(WireError):
        codec.decode(codec.encode(ping, subprotocol=SUBPROTOCOL_2_MSGPACK), subprotocol=SUBPROTOCOL_MSGPACK)


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


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\x00",
        b"\x91" * 10_000,
        b"\xdd\xff\xff\xff\xff",  # an array that says it has 4 G items
        b"\xdb\xff\xff\xff\xff",
        b"\x81\x01\x02",  # a key that is no text
        b"\x81\xa4type\xc7\x01\x05\x00",  # an extension
        b"\x82\xa4type\xa4ping\xa7sent_ns\xcb\x7f\xf8\x00\x00\x00\x00\x00\x00",  # not a number
        b"\x82\xa4type\xa4ping\xa7sent_ns\xcf\xff\xff\xff\xff\xff\xff\xff\xff",  # 2**64 - 1
        b"\x82\xa4type\xa4ping\xa7sent_ns\xd6\xff\x00\x00\x00\x00",  # a time stamp
        b"\x82\xa4type\xc4\x04ping\xa7sent_ns\x01",  # bytes for text
        b"\x81\xa4type\xa2\xff\xfe",  # not UTF-8
        b"\x82\xa4type\xa4ping\xa7sent_ns\x01\x00",  # more behind it
    ],
)
def test_bad_messagepack_is_a_wire_error_sealed_or_bare(data: bytes) -> None:
    for frame in (data, seal(data)):
        with pytest.raises(WireError):
            codec.decode(frame)


def test_of_two_equal_keys_the_last_counts() -> None:
    twice = b"\x83\xa4type\xa4ping\xa7sent_ns\x01\xa7sent_ns\x02"
    assert codec.decode(twice) == handshake.Ping(sent_ns=2)


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
