"""GenICam cameras, with a stand-in for harvesters that behaves as its documentation says: no producer is to be had."""

from __future__ import annotations

import contextlib
import sys
import types
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from edge_agent.line.sources.genicam import MISSING, GenICamCamera
from edge_agent.line.sources.source import SourceFailed
from edge_agent.line.tables.sources import GenICam


class _Error(Exception):
    """GenTL's own."""


class _Timeout(_Error):
    """Nothing came."""


class _Acquirer:
    def __init__(self) -> None:
        self.exposure = types.SimpleNamespace(value=0.0)
        nodes = types.SimpleNamespace(ExposureTime=self.exposure)
        self.remote_device = types.SimpleNamespace(node_map=nodes)
        self.is_started = self.is_destroyed = False
        self.pictures: list[Any] = []

    def start(self) -> None:
        self.is_started = True

    def destroy(self) -> None:
        self.is_destroyed = True

    @contextlib.contextmanager
    def fetch(self, *, timeout: float) -> Iterator[Any]:
        if not self.pictures:
            raise _Timeout
        yield types.SimpleNamespace(payload=types.SimpleNamespace(components=[self.pictures.pop(0)]))


@pytest.fixture
def acquirer(monkeypatch: pytest.MonkeyPatch) -> _Acquirer:
    made = _Acquirer()

    class Harvester:
        def __init__(self) -> None:
            self.device_info_list = [types.SimpleNamespace(serial_number="S1")]

        def add_file(self, path: str, *, check_existence: bool) -> None:
            """Know a producer."""

        def update(self) -> None:
            """Look for cameras."""

        def create(self, search: object) -> _Acquirer:
            return made

        def reset(self) -> None:
            """Forget all."""

    names = {
        "genicam": types.ModuleType("genicam"),
        "genicam.gentl": types.ModuleType("genicam.gentl"),
        "harvesters": types.ModuleType("harvesters"),
        "harvesters.core": types.ModuleType("harvesters.core"),
    }
    vars(names["genicam.gentl"]).update(GenericException=_Error, TimeoutException=_Timeout)
    vars(names["harvesters.core"]).update(Harvester=Harvester)
    for name, module in names.items():
        monkeypatch.setitem(sys.modules, name, module)
    return made


def _camera(tmp_path: Path, **more: Any) -> GenICamCamera:
    producer = tmp_path / "maker.cti"
    producer.touch()
    return GenICamCamera(GenICam(kind="genicam", producer=str(producer), **more))


def _image(form: str, data: Any, x_padding: int = 0) -> Any:
    return types.SimpleNamespace(data_format=form, width=4, height=2, x_padding=x_padding, data=data)


def test_nodes_are_set_and_formats_are_read(acquirer: _Acquirer, tmp_path: Path) -> None:
    camera = _camera(tmp_path, serial_number="S1", nodes={"ExposureTime": 900.0})
    camera.open()
    assert acquirer.is_started
    assert acquirer.exposure.value == 900.0
    assert camera.read(0) is None
    unpacked = np.array([0, 4095, 0, 4095] * 2, np.uint16)
    padded = np.array([1, 2, 3, 4, 0xEE, 5, 6, 7, 8, 0xEE], np.uint8)
    for image, grey in (
        (_image("Mono12Packed", unpacked), [[0, 255, 0, 255]] * 2),
        (_image("Mono12p", unpacked), [[0, 255, 0, 255]] * 2),
        (_image("Mono12", unpacked), [[0, 255, 0, 255]] * 2),
        (_image("Mono8", padded, x_padding=1), [[1, 2, 3, 4], [5, 6, 7, 8]]),
    ):
        acquirer.pictures.append(image)
        frame = camera.read(0)
        assert frame is not None
        assert camera.to_rgb(frame)[..., 0].tolist() == grey
    camera.close()
    assert acquirer.is_destroyed


def test_what_is_not_there_is_said(acquirer: _Acquirer, tmp_path: Path) -> None:
    with pytest.raises(SourceFailed, match="camera S2 is not there; the producer knows S1"):
        _camera(tmp_path, serial_number="S2").open()
    with pytest.raises(SourceFailed, match=r"none.cti is not there, expected a GenTL producer \(.cti\)"):
        GenICamCamera(GenICam(kind="genicam", producer=str(tmp_path / "none.cti"))).open()


def test_without_the_package(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setitem(sys.modules, "harvesters.core", None)
    with pytest.raises(SourceFailed, match="pip install") as caught:
        _camera(tmp_path).open()
    assert str(caught.value) == MISSING
