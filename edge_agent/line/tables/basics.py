"""What the tables of line.toml are made of."""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec
from msgspec import Meta

Seconds = Annotated[float, Meta(gt=0, le=3600)]
Milliseconds = Annotated[float, Meta(ge=0, le=600_000)]
Side = Annotated[int, Meta(ge=1, le=65_536)]
Place = Annotated[int, Meta(ge=0, le=65_536)]
Port = Annotated[int, Meta(ge=1, le=65_535)]
AbsolutePath = Annotated[str, Meta(pattern="^/")]
#: absolute, or "" for none
MaybePath = Annotated[str, Meta(pattern="^(/.*)?$")]
#: number or name of a line of a GPIO chip
ChipLine = Annotated[int, Meta(ge=0)] | Annotated[str, Meta(min_length=1)]


class Table(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A table of the file."""


class Listens(Table, frozen=True, kw_only=True):
    """An address at which the line listens to HTTP."""

    port: Port
    host: Annotated[str, Meta(min_length=1)] = "127.0.0.1"
    #: path of what is asked
    path: Annotated[str, Meta(pattern="^/")] = "/"
    #: a file with a word that who asks has to know: `Authorization: Bearer WORD`
    token_file: MaybePath = ""

    def __post_init__(self) -> None:
        if self.host not in ("127.0.0.1", "::1", "localhost") and not self.token_file:
            raise ValueError(
                f"host is '{self.host}', which others can reach: expected a token_file with a word that they have to "
                'know, or host = "127.0.0.1"'
            )


class Broker(Table, frozen=True, kw_only=True):
    """An MQTT broker, and what is subscribed to there."""

    host: Annotated[str, Meta(min_length=1)]
    topic: Annotated[str, Meta(min_length=1)]
    #: 0: 8883 with TLS, 1883 without
    port: Annotated[int, Meta(ge=0, le=65_535)] = 0
    qos: Annotated[int, Meta(ge=0, le=1)] = 1
    version: Literal["5", "3.1.1"] = "5"
    #: "": the line's name
    client_id: str = ""
    user: str = ""
    password_file: MaybePath = ""
    tls: bool = False
    ca_file: MaybePath = ""
    cert_file: MaybePath = ""
    key_file: MaybePath = ""
    #: the broker has to answer within this time
    seconds: Seconds = 10.0

    def __post_init__(self) -> None:
        if (self.ca_file or self.cert_file or self.key_file) and not self.tls:
            raise ValueError("ca_file, cert_file and key_file need tls = true")
        if bool(self.cert_file) != bool(self.key_file):
            raise ValueError("cert_file and key_file belong together")

    @property
    def to_port(self) -> int:
        """The port, also when none is named."""
        return self.port or (8883 if self.tls else 1883)
