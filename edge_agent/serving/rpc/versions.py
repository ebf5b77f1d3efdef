"""Which version of a model is served: told to who asks for it, in a field that the published contract does not have.

A request that ends with `ASK` wants the version with each model. Whoever does not ask gets the contract's own fields
and nothing else; whoever does not know the field ignores it, as protobuf has it for unknown fields.
"""

from __future__ import annotations

from typing import TypeVar

from google.protobuf.message import Message
from google.protobuf.unknown_fields import UnknownFieldSet

from edge_agent.wire import LEN, VARINT, encode_varint

_M = TypeVar("_M", bound=Message)

_NUMBER = 1000  # far from what the contract may ever use
#: field 1000 = 1; no text ends with these bytes, which are not UTF-8
ASK = encode_varint(_NUMBER << 3 | VARINT) + b"\x01"


def asking(request: _M) -> _M:
    """Return the request with the wish for versions."""
    return type(request).FromString(request.SerializeToString() + ASK)


def with_version(model: _M, version: str) -> _M:
    """Return what is said of a model together with its version."""
    data = version.encode()
    field = encode_varint(_NUMBER << 3 | LEN) + encode_varint(len(data)) + data
    return type(model).FromString(model.SerializeToString() + field)


def version_of(model: Message) -> str:
    """Return the version that comes with what is said of a model; "" where the agent does not tell it."""
    unknown = UnknownFieldSet(model)
    for field in (unknown[index] for index in range(len(unknown))):
        if field.field_number == _NUMBER and isinstance(field.data, bytes):
            return field.data.decode(errors="replace")
    return ""
