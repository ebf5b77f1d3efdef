"""What passes from a worker to a shadow model's process, and from there to the records."""

from __future__ import annotations

import msgspec

from edge_agent.inference.verdict import Verdict


class Shown(msgspec.Struct, frozen=True, array_like=True):
    """What belongs to the pixels in a slot: picture, the first model's mask, and room for another mask."""

    #: TIME-PROCESS of the worker, by which the verdict finds its record
    token: str
    version: str
    has_mask: bool
    verdict: Verdict


class Judged(msgspec.Struct, frozen=True, array_like=True, tag="j"):
    """What the shadow model said; also a packet to the process that writes records."""

    token: str
    model: str
    version: str
    agrees: bool
    anomalous: bool
    score: float
    threshold: float
    #: fraction of the picture by label, without the background
    areas: dict[str, float]
    milliseconds: float
    #: name of the kept picture; "" when it was not kept
    picture: str = ""


class Standing(msgspec.Struct, frozen=True, array_like=True, tag="s"):
    """How the process stands: ready, or what keeps it from that."""

    ready: bool
    problem: str = ""


encode = msgspec.msgpack.Encoder().encode
decode_shown = msgspec.msgpack.Decoder(Shown).decode
decode_said = msgspec.msgpack.Decoder(Judged | Standing).decode


def socket_name(model: str) -> str:
    """Return the name of the socket at which the shadow of a model takes pictures."""
    return f"{model}.sock"
