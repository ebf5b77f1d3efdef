"""Frames of a camera, a stream or a video file, by OpenCV. A thread reads: a camera that hangs holds up nothing."""

from __future__ import annotations

import os
import queue
import threading
import time

import cv2
import numpy as np

from edge_agent.inference.imaging.resize import U8
from edge_agent.line.source import Part, SourceFailed
from edge_agent.line.tables import Video

_FIRST_PAUSE, _LONGEST_PAUSE = 0.25, 10.0
_PUT_SECONDS = 0.1
os.environ.setdefault("OPENCV_LOG_LEVEL", "ERROR")


class VideoSource:
    """A camera's frames, each a part. A file's wait for their turn; a camera's that don't fit are too early."""

    def __init__(self, table: Video) -> None:
        self._table = table
        self._is_file = os.path.isfile(table.address)  # noqa: PTH113  # it may be an address
        self._frames: queue.Queue[Part] = queue.Queue(table.queue)
        self._early = 0
        self._lock = threading.Lock()
        self._problem = "not yet connected"
        self._word = time.monotonic()
        self._ending, self._over = threading.Event(), threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def _run(self) -> None:
        pause = _FIRST_PAUSE
        while not self._ending.is_set():
            capture = cv2.VideoCapture(self._table.address)
            if capture.isOpened():
                if self._read(capture):
                    pause = _FIRST_PAUSE
                self._problem = f"{self._table.address} gives no more pictures"
            else:
                self._problem = f"{self._table.address} can't be opened"
            capture.release()
            if self._is_file and not self._ending.is_set():
                self._over.set()
                return
            self._ending.wait(pause)
            pause = min(2 * pause, _LONGEST_PAUSE)

    def _read(self, capture: cv2.VideoCapture) -> int:
        """Read until the camera gives nothing; return how many frames came."""
        count, same, due = 0, 0, 0.0
        last: U8 | None = None
        while not self._ending.is_set():
            got, frame = capture.read()
            if not got:
                break
            count += 1
            self._word = time.monotonic()
            same = same + 1 if last is not None and np.array_equal(frame, last) else 0
            last = np.asarray(frame, np.uint8)
            if self._table.frozen_frames and same >= self._table.frozen_frames:
                self._problem = f"{self._table.address} is frozen: {same} frames are the same as the one before"
                continue
            self._problem = ""
            if self._word < due:
                continue
            due = self._word + self._table.interval_ms / 1000
            self._put(Part(f"frame-{count}", np.asarray(cv2.cvtColor(last, cv2.COLOR_BGR2RGB), np.uint8)))
        return count

    def _put(self, part: Part) -> None:
        while not self._ending.is_set():
            try:
                self._frames.put(part, timeout=_PUT_SECONDS if self._is_file else 0.001)
                return
            except queue.Full:
                if not self._is_file:
                    with self._lock:
                        self._early += 1
                    return

    def next(self, seconds: float) -> Part | None:
        try:
            return self._frames.get(timeout=seconds)
        except queue.Empty:
            pass
        if self._over.is_set():
            if self._problem.endswith("can't be opened"):
                raise SourceFailed(self._problem)
            return None
        if self._problem:
            raise SourceFailed(self._problem)
        if (silent := time.monotonic() - self._word) > self._table.silent_seconds:
            raise SourceFailed(f"{self._table.address} has given nothing for {silent:.0f} s")
        return None

    def early(self) -> int:
        with self._lock:
            early, self._early = self._early, 0
        return early

    def is_over(self) -> bool:
        return self._over.is_set() and self._frames.empty()

    def done(self, part: Part, outcome: str) -> None:
        """Frames are not kept."""

    def close(self) -> None:
        self._ending.set()
        self._thread.join(2.0)
