"""Frames of a GenICam camera, behind a GenTL producer, by the package harvesters.

All that this knows of harvesters is here; its documentation is what this was built to. There is no producer to be had
without a camera maker's licence: unverified with a real one.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from edge_agent.errors import InvalidRequest
from edge_agent.inference.imaging.raw_format import FORMATS, RawFormat, check_format
from edge_agent.inference.imaging.raw_pixels import read_raw
from edge_agent.inference.imaging.resize import U8
from edge_agent.line.sources.source import SourceFailed
from edge_agent.line.tables.sources import GenICam

MISSING = "GenICam cameras need the package harvesters: pip install 'edge-agent[genicam]'"


class GenICamCamera:
    """A camera that runs freely."""

    is_file = is_asked = False

    def __init__(self, table: GenICam) -> None:
        self._table = table
        self.name = f"camera {table.serial_number}" if table.serial_number else f"the camera of {table.producer}"
        self._harvester: Any = None
        self._acquirer: Any = None
        self._raw: RawFormat | None = None

    def open(self) -> None:
        try:
            from genicam.gentl import GenericException as TransportError
            from harvesters.core import Harvester
        except ImportError:
            raise SourceFailed(MISSING) from None
        if not Path(self._table.producer).is_file():
            raise SourceFailed(f"{self._table.producer} is not there, expected a GenTL producer (.cti)")
        self._harvester = Harvester()
        try:
            self._harvester.add_file(self._table.producer, check_existence=True)
            self._harvester.update()
            known = [str(info.serial_number) for info in self._harvester.device_info_list]
            if not known or (self._table.serial_number and self._table.serial_number not in known):
                raise SourceFailed(f"{self.name} is not there; the producer knows {', '.join(known) or 'none'}")
            search = {"serial_number": self._table.serial_number} if self._table.serial_number else 0
            self._acquirer = self._harvester.create(search)
            for name, value in self._table.nodes.items():
                self._set(name, value)
            self._acquirer.start()
        except (TransportError, OSError, RuntimeError, ValueError) as error:
            raise SourceFailed(f"{self.name} can't be opened: {error}") from None

    def _set(self, name: str, value: object) -> None:
        nodes = self._acquirer.remote_device.node_map
        try:
            getattr(nodes, name).value = value
        except Exception as error:  # the classes of its errors differ from producer to producer
            raise SourceFailed(f"{self.name}: {name} can't be set to {value!r}: {error}") from None

    def read(self, seconds: float) -> npt.NDArray[Any] | None:
        from genicam.gentl import GenericException as TransportError
        from genicam.gentl import TimeoutException

        try:
            with self._acquirer.fetch(timeout=seconds) as buffer:
                image = buffer.payload.components[0]
                # It unpacks packed formats, and leaves the padding of rows where it is.
                name = str(image.data_format).removesuffix("Packed").removesuffix("p")
                raw, padding = RawFormat(name, int(image.width), int(image.height)), int(image.x_padding or 0)
                self._raw = raw._replace(stride=raw.row_bytes + padding) if padding and name in FORMATS else raw
                return np.array(image.data).view(np.uint8).ravel()
        except TimeoutException:
            return None
        except (TransportError, OSError, RuntimeError) as error:
            raise SourceFailed(f"{self.name} gives no more pictures: {error}") from None

    def to_rgb(self, frame: npt.NDArray[Any]) -> U8:
        assert self._raw is not None
        try:
            check_format(self._raw)
        except ValueError as error:
            raise InvalidRequest(f"the camera's {error}") from None
        return read_raw(frame, self._raw)

    def close(self) -> None:
        for what, name in ((self._acquirer, "destroy"), (self._harvester, "reset")):
            if what is not None:
                getattr(what, name)()
        self._acquirer = self._harvester = None
