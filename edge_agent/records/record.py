"""One verdict as it is written down, and what travels between the daemon and the process that writes it."""

from __future__ import annotations

from typing import NamedTuple

import msgspec

from edge_agent.records.condition.notice import Camera, Drift
from edge_agent.records.events.line import EventLine
from edge_agent.records.refused import Refused
from edge_agent.records.shadow.passing import Judged

#: characters of a part's id, a station or a program that are kept: they come from clients
_LONGEST_NAME = 128


class Origin(NamedTuple):
    """Where a call came from: the client's process, as the kernel knows it, and what the client says of the part."""

    uid: int = -1
    pid: int = 0
    program: str = ""
    #: the part that the picture shows, and the station that took it; "" when the client does not say
    part: str = ""
    station: str = ""
    #: the client wants the picture to be kept
    keep: bool = False


class Record(msgspec.Struct, frozen=True, array_like=True):
    """One verdict."""

    #: the call's id: microseconds since 1970 when it was answered, made larger than every id before it
    id: int
    #: the clock when it was answered, in microseconds since 1970, UTC; may go backwards when the clock is set
    at: int
    model: str
    version: str
    anomalous: bool
    score: float
    threshold: float
    confidence: float
    #: fraction of the picture by label, without the background; None where the model makes no masks
    areas: dict[str, float] | None
    width: int
    height: int
    #: from the call's arrival to its answer
    milliseconds: float
    uid: int
    pid: int
    program: str
    part: str
    station: str
    #: under which name its picture was given to be kept; "" when it was not
    picture: str = ""
    #: under which token it was given to a shadow model; "" when it was not
    shadow: str = ""


class Notes(msgspec.Struct, frozen=True, array_like=True, tag="n"):
    """Records on their way to the process that writes them down, in order."""

    records: list[Record]
    #: how many records the daemon has had to drop before these
    dropped: int = 0


class Known(msgspec.Struct, frozen=True, array_like=True, tag="k"):
    """How the scores of a version's normal pictures were distributed in training, in parts of the store's number."""

    model: str
    version: str
    scores: tuple[int, ...]


class State(msgspec.Struct, frozen=True, array_like=True, tag="s"):
    """What the writing process tells the daemon, at least every second while there is something new."""

    #: the largest id that is written down
    last_id: int = 0
    #: records written, and lost, since the process started
    written: int = 0
    lost: int = 0
    #: records that wait to be written
    waiting: int = 0
    #: why nothing can be written; "" while all is well
    problem: str = ""
    #: how the scores of each version are
    drifts: tuple[Drift, ...] = ()
    #: of those lost, how many for each reason: a word of LOST
    lost_by: dict[str, int] = {}
    #: bytes of the database's file
    size: int = 0
    #: how the lines of those who are told of events stand
    events: tuple[EventLine, ...] = ()


#: why records are lost, for metrics and in words
LOST = {"no_room": "the daemon had no room for them", "not_written": "they could not be written in time"}


def short_name(text: str) -> str:
    """Cut what a client calls something to what is kept of it; what no terminal, topic or table should get is a ?."""
    text = text[:_LONGEST_NAME]
    return text if text.isprintable() else "".join(letter if letter.isprintable() else "?" for letter in text)


#: a packet's largest size in bytes. One record has 72,000 at the most: 255 labels of 64 letters of four bytes, and the
#: names. A socket of a usual system takes 200,000
PACKET = 1 << 17

_encoder = msgspec.msgpack.Encoder()
encode = _encoder.encode
encode_into = _encoder.encode_into
decode_told = msgspec.msgpack.Decoder(Notes | Known | Camera | Judged | Refused).decode
decode_state = msgspec.msgpack.Decoder(State).decode
