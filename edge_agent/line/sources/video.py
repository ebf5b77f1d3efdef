"""Frames of a camera, a stream or a video file, by OpenCV."""

from __future__ import annotations

import os
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from edge_agent.inference.imaging.resize import U8
from edge_agent.line.sources.source import SourceFailed
from edge_agent.line.tables.sources import Video

os.environ.setdefault("OPENCV_LOG_LEVEL", "ERROR")


class VideoCamera:
    """What OpenCV opens."""

    is_asked = False

    def __init__(self, table: Video) -> None:
        self.name = table.address
        self.is_file = os.path.isfile(table.address)  # noqa: PTH113  # it may be an address
        self._capture: cv2.VideoCapture | None = None

    def open(self) -> None:
        self._capture = cv2.VideoCapture(self.name)
        if not self._capture.isOpened():
            raise SourceFailed(f"{self.name} can't be opened")

    def read(self, seconds: float) -> npt.NDArray[Any] | None:
        assert self._capture is not None
        got, frame = self._capture.read()
        if not got:
            raise SourceFailed(f"{self.name} gives no more pictures")
        return np.asarray(frame)

    def to_rgb(self, frame: npt.NDArray[Any]) -> U8:
        return np.asarray(cv2.cvtColor(frame, cv2.COLOR_BGR2RGB), np.uint8)

    def close(self) -> None:
        if self._capture is not None:
            self._capture.release()
            self._capture = None
