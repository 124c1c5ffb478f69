"""The chunks of an XDF 1.0 file: little-endian, each with its length and its tag."""

import struct
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, BinaryIO, Self
from xml.etree.ElementTree import Element, SubElement, tostring

import numpy as np

from becalm_protocol.events import value

_FILE_HEADER, _STREAM_HEADER, _SAMPLES, _CLOCK_OFFSET, _BOUNDARY, _STREAM_FOOTER = 1, 2, 3, 4, 5, 6
# The specification's own mark, for readers that look for the next whole chunk after damage.
_BOUNDARY_MARK = bytes.fromhex("43a546dccbf5410fb30ed5467383cbe4")
_STAMP_BYTES = 8
_N_SAMPLE_BYTES = 4


@value
class Channel:
    """A channel's label and unit."""

    label: str
    unit: str


class XdfStream:
    """One stream of a file: its header at once, then samples and clock offsets, then close()."""

    def __init__(
        self,
        file: BinaryIO,
        *,
        idx: int,
        name: str,
        kind: str,
        rate_hz: float,
        source_id: str,
        channels: Sequence[Channel],
        more: Mapping[str, str],
        texts: bool = False,
    ) -> None:
        self._file = file
        self._idx = struct.pack("<I", idx)
        self._n_samples = 0
        self._first_s: float | None = None
        self._last_s: float | None = None
        self._offsets: list[tuple[float, float]] = []
        info = Element("info")
        for tag, text in (
            ("name", name), ("type", kind), ("channel_count", str(len(channels))), ("nominal_srate", repr(rate_hz)),
            ("channel_format", "string" if texts else "double64"), ("source_id", source_id), ("version", "1.1"),
            ("created_at", "0"), ("uid", source_id), ("session_id", ""), ("hostname", ""),
        ):  # fmt: skip
            SubElement(info, tag).text = text
        desc = SubElement(info, "desc")
        for tag, text in more.items():
            SubElement(desc, tag).text = text
        listed = SubElement(desc, "channels")
        for channel in channels:
            one = SubElement(listed, "channel")
            SubElement(one, "label").text = channel.label
            SubElement(one, "unit").text = channel.unit
        self._chunk(_STREAM_HEADER, self._idx + _xml(info))

    @classmethod
    def write_file_header(cls: type[Self], file: BinaryIO, *, datetime_text: str, session_id: str) -> None:
        """Write what an XDF file begins with."""
        info = Element("info")
        for tag, text in (("version", "1.0"), ("datetime", datetime_text), ("session_id", session_id)):
            SubElement(info, tag).text = text
        file.write(b"XDF:" + _framed(_FILE_HEADER, _xml(info)))

    def numbers(self, stamps_s: Any, values: Any) -> None:
        """Write samples: stamps of shape (n_samples,), values of shape (n_samples, n_channels)."""
        n_samples, n_channels = values.shape
        layout = np.dtype([("n", "u1"), ("t", "<f8"), ("v", "<f8", (n_channels,))])
        rows = np.empty(n_samples, dtype=layout)
        rows["n"], rows["t"], rows["v"] = _STAMP_BYTES, stamps_s, values
        self._samples(rows.tobytes(), n_samples, first_s=float(stamps_s[0]), last_s=float(stamps_s[-1]))

    def texts(self, rows: Iterable[tuple[float, str]]) -> None:
        """Write samples of one channel of text."""
        for t_s, text in rows:
            data = text.encode()
            body = struct.pack("<BdBI", _STAMP_BYTES, t_s, 4, len(data)) + data
            self._samples(body, 1, first_s=t_s, last_s=t_s)

    def clock_offset(self, stamp_s: float, *, offset_s: float) -> None:
        """Tell that session time is `offset_s` ahead of the stream's clock when that shows `stamp_s`."""
        self._offsets.append((stamp_s, offset_s))
        self._chunk(_CLOCK_OFFSET, self._idx + struct.pack("<dd", stamp_s, offset_s))

    def close(self) -> None:
        """Write the footer."""
        info = Element("info")
        SubElement(info, "first_timestamp").text = repr(self._first_s or 0.0)
        SubElement(info, "last_timestamp").text = repr(self._last_s or 0.0)
        SubElement(info, "sample_count").text = str(self._n_samples)
        listed = SubElement(info, "clock_offsets")
        for stamp_s, offset_s in self._offsets:
            one = SubElement(listed, "offset")
            SubElement(one, "time").text = repr(stamp_s)
            SubElement(one, "value").text = repr(offset_s)
        self._chunk(_STREAM_FOOTER, self._idx + _xml(info))
        self._chunk(_BOUNDARY, _BOUNDARY_MARK)

    def _samples(self, body: bytes, n_samples: int, *, first_s: float, last_s: float) -> None:
        self._first_s = first_s if self._first_s is None else self._first_s
        self._last_s = last_s
        self._n_samples += n_samples
        self._chunk(_SAMPLES, self._idx + struct.pack("<BI", _N_SAMPLE_BYTES, n_samples) + body)

    def _chunk(self, tag: int, content: bytes) -> None:
        self._file.write(_framed(tag, content))


def _framed(tag: int, content: bytes) -> bytes:
    return struct.pack("<BIH", 4, len(content) + 2, tag) + content


def _xml(info: Element) -> bytes:
    return b'<?xml version="1.0"?>' + tostring(info)
