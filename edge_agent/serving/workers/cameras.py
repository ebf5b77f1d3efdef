"""How the cameras are, as the workers say: for whoever asks, and for the records; and how pictures looked at first."""

from __future__ import annotations

import contextlib
import logging
import os
from collections.abc import Callable
from pathlib import Path

import msgspec

from edge_agent.records.condition.notice import Camera, CameraState
from edge_agent.serving.workers.messages import Baseline

log = logging.getLogger(__name__)

_FILE_NAME = "cameras.json"
#: versions of models that are remembered
_MOST = 256


class Cameras:
    """Of all models. Lives in one event loop."""

    def __init__(self, state_dir: Path) -> None:
        """Read how pictures looked at first, where that was learned."""
        self._path = state_dir / _FILE_NAME
        #: called with what has changed
        self.on_change: Callable[[Camera], None] = lambda camera: None
        self._now: dict[str, Camera] = {}
        self._learned: dict[str, Baseline] = {}
        try:
            self._learned = msgspec.json.decode(self._path.read_bytes(), type=dict[str, Baseline])
        except FileNotFoundError:
            pass
        except (OSError, msgspec.DecodeError, UnicodeDecodeError) as error:
            log.warning("%s can't be read (%s); how pictures should look is learned anew", self._path, error)

    def of(self, model: str) -> Camera | None:
        """Return how the pictures of a model look; None while that is not known."""
        return self._now.get(model)

    def forget(self, model: str) -> None:
        """Forget a model that has left the device."""
        self._now.pop(model, None)

    def said(self, model: str, version: str, state: CameraState, text: str) -> None:
        """Take note of what the workers of a model say."""
        before = self._now.get(model)
        if before is not None and before.state == state:
            return
        self._now[model] = camera = Camera.since_now(model, version, state, text)
        self.on_change(camera)

    def baseline(self, model: str, version: str) -> Baseline | None:
        """Return how the first pictures of a version looked; None where that has not been learned."""
        return self._learned.get(f"{model} {version}")

    def learn(self, model: str, version: str, baseline: Baseline) -> None:
        """Remember how the first pictures of a version looked; the first worker's word counts."""
        if self.baseline(model, version) is not None:
            return
        while len(self._learned) >= _MOST:
            del self._learned[next(iter(self._learned))]
        self._learned[f"{model} {version}"] = baseline

    def save(self) -> None:
        """Write what has been learned. Blocking, for as long as the disk takes: meant for a thread."""
        content = msgspec.json.encode(dict(self._learned))
        temporary = self._path.with_suffix(".new")
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            temporary.unlink(missing_ok=True)  # what a killed daemon left, or a link that somebody put there
            with temporary.open("xb") as file:
                file.write(content)
                file.flush()
                os.fsync(file.fileno())
            temporary.replace(self._path)
        except OSError as error:
            log.warning("%s can't be written (%s); how pictures should look is learned anew", self._path, error)
            with contextlib.suppress(OSError):
                temporary.unlink()
