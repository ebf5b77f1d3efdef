"""One client's HTTP/2 connection: frames, streams, and the socket."""
