"""What the front process and a worker say to each other: one message a packet, over a SOCK_SEQPACKET pair.

Pixels never travel here. They stay in the client's segments, or in parcels (parcels.py), whose descriptors go along
with the first message to a worker that names them.
"""

from __future__ import annotations

import msgspec

from edge_agent import errors
from edge_agent.access.peer import Peer
from edge_agent.component.manifest import Appearance, Sharpness
from edge_agent.component.trust import Trust
from edge_agent.inference.engines.options import EngineOptions
from edge_agent.inference.imaging.bitmap import Place
from edge_agent.inference.verdict import Verdict
from edge_agent.records.condition.notice import CameraState
from edge_agent.records.pictures.passing import Keeping
from edge_agent.serving.observing.counts import Stages

#: a message fits in one packet of this size: the longest is an answer with 255 labels of 64 characters each
PACKET = 1 << 17


class _Message(msgspec.Struct, frozen=True, tag=True, array_like=True):
    pass


class Baseline(msgspec.Struct, frozen=True):
    """How the pictures of a model should look; None for what is not known."""

    appearance: Appearance | None = None
    sharpness: Sharpness | None = None


class Load(_Message, frozen=True):
    """Load the component in `folder`. The first message to a worker."""

    folder: str
    options: EngineOptions
    #: seconds that a call may wait for others to be inspected with
    batch_seconds: float
    #: of the manifest that the catalogue has checked: another one is not to be loaded in its place
    manifest_digest: str
    trust: Trust
    #: None when no pictures are kept
    keeping: Keeping | None = None
    #: how pictures looked at first, where that has been learned
    learned: Baseline | None = None
    #: where shadow models take pictures; "": nowhere
    shadow_dir: str = ""
    #: the folder in which the newest pictures are shown to who watches; "": nowhere
    live: str = ""


class Span(msgspec.Struct, frozen=True, tag=True, array_like=True):
    """Bytes of a parcel, from `start` on."""

    parcel: int
    start: int


class Detect(_Message, frozen=True):
    """Inspect one bitmap, and put the mask where the call wants it."""

    call: int
    bitmap: Place | Span
    #: None for a model that makes no masks
    mask: Place | Span | None
    #: when the caller stops waiting, in seconds of the system-wide monotonic clock; None: never
    deadline: float | None
    #: whose the call is; only what this client may open is opened for it
    peer: Peer
    #: numbers of parcels that are named for the first time; their descriptors come with this message, in this order
    parcels: tuple[int, ...] = ()
    #: the client wants the picture to be kept
    keep: bool = False
    #: where the mask goes everything is white already, as its background is
    white: bool = False


class Forget(_Message, frozen=True):
    """These parcels are no more."""

    parcels: list[int]


class Cancel(_Message, frozen=True):
    """Nobody waits for this call any more; it is not executed if it has not begun."""

    call: int


class Progress(_Message, frozen=True):
    """What the worker is doing while it loads; `building` is what may take many minutes."""

    text: str
    building: bool = False


class Ready(_Message, frozen=True):
    """Loaded, checked and warmed up."""

    #: bitmaps that it inspects at once, at the most
    batch: int
    #: what a person should know of how the model runs; usually nothing
    note: str


class Noticed(_Message, frozen=True):
    """How the pictures look that come, and what a person should know of them; "" when that is over."""

    state: CameraState
    text: str
    #: red and blue, by the look of them
    exchanged: bool = False


class Learned(_Message, frozen=True):
    """How the first pictures have looked."""

    baseline: Baseline


class Broken(_Message, frozen=True):
    """The component can't be served; the worker ends."""

    error: str
    text: str


class Answer(_Message, frozen=True):
    """The verdict; the mask is where the call wanted it."""

    call: int
    verdict: Verdict
    #: seconds that the worker spent on the call; of a batch, the call's share
    seconds: float
    stages: Stages
    #: it looks once more at the pixels that lie in a parcel, and says when it has
    needs_pixels: bool = False
    #: the mask is nothing but background
    blank: bool = False


class Settled(_Message, frozen=True):
    """The pixels of a call that was answered are not needed any more."""

    call: int


class Refused(_Message, frozen=True):
    """The call failed with the error class of that name."""

    call: int
    error: str
    text: str


ToWorker = Load | Detect | Cancel | Forget
FromWorker = Progress | Ready | Noticed | Learned | Broken | Answer | Settled | Refused

_encoder = msgspec.msgpack.Encoder()
encode = _encoder.encode
decode_to_worker = msgspec.msgpack.Decoder(ToWorker).decode
decode_from_worker = msgspec.msgpack.Decoder(FromWorker).decode

_MAX_TEXT = 2000


def describe(error: Exception) -> tuple[str, str]:
    """Give the name and the text by which an error travels."""
    name = type(error).__name__
    return name, str(error)[:_MAX_TEXT] or name  # a MemoryError says nothing


def revive(name: str, text: str) -> errors.EdgeAgentError:
    """Make the error again on the other side; what is not ours was a defect and becomes an InternalError."""
    found = getattr(errors, name, None)
    if isinstance(found, type) and issubclass(found, errors.EdgeAgentError) and found is not errors.CallFailed:
        return found(text)
    return errors.InternalError(text)


def most_calls(batch: int) -> int:
    """Return how many calls a worker may hold: those in the engine, and the next at hand so that it never waits."""
    return 2 * batch
