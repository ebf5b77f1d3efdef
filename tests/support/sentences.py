"""What the text of an error has to be, whoever caused it and with whatever bytes."""

from __future__ import annotations

import re

#: control characters, separators of lines, and surrogates, which no terminal and no protobuf string takes
_UNFIT = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]")
_LONGEST = 2000


def check_sentence(error: Exception) -> str:
    """Give an error's text, which must be one line of a bearable length that can be shown and sent."""
    text = str(error)
    assert text.strip(), f"{type(error).__name__} says nothing"
    assert len(text) <= _LONGEST, f"{len(text)} characters: {text[:200]}…"
    unfit = _UNFIT.search(text)
    assert unfit is None, f"{unfit and unfit.group()!r} in {text!r}"
    return text
