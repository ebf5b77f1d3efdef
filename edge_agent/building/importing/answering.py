"""The few questions that a file leaves open, and how their answers are read. ValueError says what is expected."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterable

from edge_agent.building.importing.draft import Rgb, Size

#: of numbers that people write: 255 * MOST / LEAST is still a float32
MOST, LEAST = 1e15, 1e-15


def parse_size(text: str) -> Size:
    """Read a width and a height such as 640x480."""
    match = re.fullmatch(r"(\d{1,5})x(\d{1,5})", text.strip())
    if match is None or 0 in (int(match[1]), int(match[2])):
        raise ValueError(f"{text!r} is not a width and a height such as 640x480")
    return int(match[1]), int(match[2])


def parse_rgb(text: str) -> Rgb:
    """Read three numbers such as 0.485,0.456,0.406."""
    red, green, blue = parse_numbers(text, 3, "three numbers for R, G and B such as 0.485,0.456,0.406")
    return red, green, blue


def parse_divisors(text: str) -> Rgb:
    """Read three numbers that can be divided by."""
    numbers = parse_rgb(text)
    if 0.0 in numbers:
        raise ValueError(f"{text!r} is not three numbers that can be divided by")
    return numbers


def parse_numbers(text: str, count: int, expected: str) -> list[float]:
    """Read numbers between commas."""
    try:
        numbers = [float(part) for part in text.split(",")]
    except ValueError:
        numbers = []
    if len(numbers) != count or not all(map(math.isfinite, numbers)):
        raise ValueError(f"{text!r} is not {expected}")
    if any(number and not LEAST <= abs(number) <= MOST for number in numbers):
        raise ValueError(f"{text!r} is out of range, expected 0 or {LEAST:g} to {MOST:g}, positive or negative")
    return numbers


def parse_number(text: str) -> float:
    """Read a number that is one."""
    return parse_numbers(text, 1, "a number")[0]


def parse_share(text: str) -> float:
    """Read a number of 0..1."""
    value = parse_number(text)
    if not 0 <= value <= 1:
        raise ValueError(f"{text} is not in 0..1")
    return value


def index_below(count: int) -> Callable[[str], int]:
    """Make a reader that takes the number of one of `count` things, counted from 0."""

    def parse(text: str) -> int:
        if not re.fullmatch(r"[0-9]{1,9}", text.strip()) or int(text) >= count:
            raise ValueError(f"{text!r} is not a whole number of 0 to {count - 1}")
        return int(text)

    return parse


def one_of(names: Iterable[str]) -> Callable[[str], str]:
    """Make a reader that takes one of `names`."""
    known = list(names)

    def parse(text: str) -> str:
        if text not in known:
            raise ValueError(f"{text!r} is not one of {', '.join(known)}")
        return text

    return parse
