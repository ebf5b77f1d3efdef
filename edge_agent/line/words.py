"""What the inspecting process tells the supervisor, a line of JSON each. Any word says that it lives."""

from __future__ import annotations

from typing import Literal

import msgspec

#: what may become of a part
OUTCOMES = ("pass", "reject", "look", "failed", "early")
#: why a line is at its safe state; the last four are the supervisor's own
Cause = Literal["source", "agent", "part", "late", "encoder", "output", "process"]


class Word(msgspec.Struct, frozen=True, omit_defaults=True):
    """`begun`: a part has come. `able`, `unable`: whether the line can inspect. Otherwise an outcome."""

    what: Literal["begun", "able", "unable", "pass", "reject", "look", "failed", "early"]
    text: str = ""
    #: of `unable`
    cause: Cause = "agent"
    #: when the part came, seconds of the monotonic clock, which is that of all processes
    at: float = 0.0


encode = msgspec.json.Encoder().encode
decode = msgspec.json.Decoder(Word).decode
