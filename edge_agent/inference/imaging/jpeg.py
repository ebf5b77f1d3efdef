"""Whether a JPEG is whole. Pillow and OpenCV decode what is missing to grey, and a model calls that an anomaly.

libjpeg knows when data ends early or makes no sense, but only warns; simplejpeg turns its warnings into errors. What it
does not know is that scans of a progressive file are missing: each coefficient has to have come, down to its last bit.
Source: ITU-T T.81, annexes B (markers) and G (progressive).
"""

from __future__ import annotations

import simplejpeg

from edge_agent.errors import InvalidRequest
from edge_agent.inference.imaging.resize import U8

_EOI = b"\xff\xd9"
_SOS, _SOF_PROGRESSIVE = 0xDA, 0xC2
_ALONE = {0x01, *range(0xD0, 0xDA)}  # markers without a segment behind them
_LAST_COEFFICIENT = 63
#: TurboJPEG's error for whole files whose channels are sampled in a way that it has no name for
_UNKNOWN_KIND = "tjDecompressHeader"


def decode_jpeg(data: bytes, name: str) -> U8 | None:
    """Decode a JPEG as uint8 [height, width, 3] in RGB, not turned; None for a kind that Pillow alone can decode.

    Raises:
        InvalidRequest: it is damaged or ends early; the text calls it `name`.
    """
    problem = _missing_scans(data)
    if problem:
        raise InvalidRequest(f"{name} is damaged: {problem}")
    whole = data if data.rstrip(b"\0").endswith(_EOI) else data + _EOI  # nothing is missing but the last two bytes
    try:
        pixels: U8 = simplejpeg.decode_jpeg(whole, colorspace="RGB", strict=True)
    except ValueError as error:
        if str(error).startswith(_UNKNOWN_KIND):
            return None
        said = str(error).removeprefix("Corrupt JPEG data: ")
        raise InvalidRequest(f"{name} is damaged, and what is missing would be grey: {said}") from None
    return pixels


def _missing_scans(data: bytes) -> str:
    """Say what a progressive file lacks; "" for one that is whole, or not progressive."""
    components: list[int] = []
    #: by component and coefficient, the lowest bit that has come
    bits: dict[tuple[int, int], int] = {}
    position = 2
    while position + 4 <= len(data):
        if data[position] != 0xFF:
            position = _next_marker(data, position)
            continue
        marker = data[position + 1]
        if marker in _ALONE or marker in (0x00, 0xFF):
            position += 1 if marker == 0xFF else 2
            continue
        length = int.from_bytes(data[position + 2 : position + 4], "big")
        segment = data[position + 4 : position + 2 + length]
        if 0xC0 <= marker <= 0xCF and marker not in (0xC4, 0xC8, 0xCC):
            if marker != _SOF_PROGRESSIVE:
                return ""
            components = [segment[6 + 3 * number] for number in range(segment[5])]
        elif marker == _SOS and len(segment) >= 4:
            count = segment[0]
            first, last, low = segment[1 + 2 * count], segment[2 + 2 * count], segment[3 + 2 * count] & 0xF
            for number in range(count):
                for coefficient in range(first, last + 1):
                    bits[segment[1 + 2 * number], coefficient] = low
        position += 2 + length
    wanted = [(component, coefficient) for component in components for coefficient in range(_LAST_COEFFICIENT + 1)]
    missing = sum(bits.get(key, 1) != 0 for key in wanted)
    return f"scans of its progressive coding are missing ({missing} of {len(wanted)} coefficients)" if missing else ""


def _next_marker(data: bytes, position: int) -> int:
    """Skip the coded data of a scan."""
    while (position := data.find(b"\xff", position)) >= 0 and position + 1 < len(data):
        if data[position + 1] != 0x00 and not 0xD0 <= data[position + 1] <= 0xD7:
            return position
        position += 2
    return len(data)
