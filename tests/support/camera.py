"""A network camera: MJPEG over HTTP on loopback, as OpenCV reads it."""

from __future__ import annotations

import http.server
import itertools
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

import cv2
import numpy as np

from tests.support.ports import free_port

_PERIOD = 0.02


class Camera:
    """Fifty pictures a second, each another grey from 50 to 90, or, while it is frozen, all of one."""

    def __init__(self) -> None:
        self.port = 0
        self.plugged = threading.Event()
        self.plugged.set()
        #: the grey that it is frozen at
        self.frozen_at: int | None = None

    @property
    def address(self) -> str:
        """What OpenCV opens."""
        return f"http://127.0.0.1:{self.port}/stream.mjpg"

    def picture(self, number: int) -> bytes:
        """Give a part of the stream."""
        grey = self.frozen_at if self.frozen_at is not None else 50 + number % 40
        data = cv2.imencode(".jpg", np.full((64, 64, 3), grey, np.uint8))[1].tobytes()
        head = f"--frame\r\nContent-Type: image/jpeg\r\nContent-Length: {len(data)}\r\n\r\n"
        return head.encode() + data + b"\r\n"


@contextmanager
def camera(port: int | None = None) -> Iterator[Camera]:
    """Plug a camera in, at the port of one that was there before if one is named."""
    made = Camera()

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.send_header("Content-Type", "multipart/x-mixed-replace; boundary=frame")
            self.end_headers()
            for number in itertools.count():
                if not made.plugged.is_set():
                    return
                try:
                    self.wfile.write(made.picture(number))
                except OSError:
                    return
                time.sleep(_PERIOD)

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    server = http.server.ThreadingHTTPServer(("127.0.0.1", port or free_port()), Handler)
    made.port = server.server_port
    thread = threading.Thread(target=server.serve_forever, args=(0.05,))
    thread.start()
    try:
        yield made
    finally:
        made.plugged.clear()
        server.shutdown()
        thread.join()
        server.server_close()
