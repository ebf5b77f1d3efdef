"""What the workers of a model remark of the pictures that it is sent."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence

from edge_agent.component.manifest import Manifest
from edge_agent.logs import fields
from edge_agent.serving.workers.cameras import Cameras
from edge_agent.serving.workers.messages import Learned, Noticed

log = logging.getLogger(__name__)


class Remarks:
    """Of all workers of one model together: what any of them has seen is so."""

    def __init__(self, manifest: Manifest, cameras: Cameras | None) -> None:
        """`cameras` is told, and keeps what is learned, where there is one."""
        self._manifest, self._cameras = manifest, cameras
        #: what a person should know of the pictures; "" for nothing
        self.text = ""
        #: red and blue look exchanged
        self.exchanged = False

    def consider(self, said: Sequence[Noticed]) -> None:
        """Take note of the newest remark of each worker that has made one; there is at least one."""
        worst = next((one for one in said if one.state != "ok"), said[0])
        text = "; ".join(dict.fromkeys(one.text for one in said if one.text))
        self.exchanged = any(one.exchanged for one in said)
        name = self._manifest.name
        if self._cameras is not None:
            self._cameras.said(name, self._manifest.version, worst.state, worst.text)
        if text != self.text:
            self.text = text
            log.warning(
                "model %s: %s", name, text or "the pictures look as they should again", extra=fields(MODEL=name)
            )

    def learn(self, message: Learned) -> None:
        """Keep how pictures looked at first."""
        if (cameras := self._cameras) is not None:
            cameras.learn(self._manifest.name, self._manifest.version, message.baseline)
            asyncio.get_running_loop().run_in_executor(None, cameras.save)
