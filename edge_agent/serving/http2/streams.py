"""What HTTP/2 asks of whoever serves a client's streams. A stream is known by its number."""

from __future__ import annotations

from typing import Protocol

from edge_agent.serving.http2.header_blocks import Headers


class StreamReceiver(Protocol):
    """Is told what arrives on the streams of one connection."""

    def on_headers(self, stream: int, headers: Headers) -> None:
        """A stream begins. The list is the one of the stream before where a client says the same again."""

    def on_overlong(self, stream: int, size: int) -> None:
        """A stream begins whose headers, of `size` bytes, are more than is taken, and not kept."""

    def on_data(self, stream: int, data: memoryview) -> None:
        """A piece of its data has come; valid only while it is told."""

    def on_end(self, stream: int) -> None:
        """The client has said all that it says on it."""

    def on_reset(self, stream: int) -> None:
        """The client wants no answer any more, or has broken the rules."""


class ClientReceiver(StreamReceiver, Protocol):
    """Is told, beside that, what happens to the connection, and may have data read to where it belongs."""

    def room(self, stream: int, count: int) -> memoryview | None:
        """Give where the next bytes of a stream's data, `count` at the most, are to be read to; None for nowhere."""

    def on_filled(self, stream: int, count: int) -> None:
        """So many bytes have been read to that place."""

    def awaits_much(self) -> bool:
        """Tell whether much data is still to come, so that only the heads of frames should be read elsewhere."""

    def on_turn(self) -> None:
        """The event loop has come to this client: what follows is its turn."""

    def on_lost(self) -> None:
        """The client has gone. Of its streams nothing is told any more."""
