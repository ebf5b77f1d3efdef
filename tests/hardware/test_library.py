"""A library that is installed and does not work: what is said, with package, version, processor and signal."""

from __future__ import annotations

from pathlib import Path

import pytest

from edge_agent.hardware.library import describe_library, describe_processor, fault_of, is_installed
from tests.support.libraries import break_library


def test_what_works() -> None:
    assert fault_of("numpy", "onnxruntime") is None
    assert is_installed("numpy")
    assert not is_installed("no_such_module.at_all")
    assert describe_library("cv2").startswith("opencv-python")
    assert describe_library("no_such_module") == "no_such_module"


@pytest.mark.parametrize(
    ("way", "said", "remedy"),
    [
        (
            "illegal instruction",
            "is killed by SIGILL (Illegal instruction) on this processor, {processor}",
            "pip install",
        ),
        (
            "static TLS",
            "fails on this device, {processor}: ImportError: /usr/lib/libgomp-d22c30c5.so.1: cannot allocate memory in "
            "static TLS block",
            "LD_PRELOAD=/usr/lib/libgomp-d22c30c5.so.1",
        ),
        (
            "damaged",
            "fails on this device, {processor}: ImportError: libonnxruntime.so.1: file too short",
            "--force-reinstall",
        ),
    ],
)  # fmt: skip
def test_what_does_not(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, way: str, said: str, remedy: str) -> None:
    monkeypatch.setenv("PYTHONPATH", break_library(tmp_path, "onnxruntime", way))
    fault = fault_of("onnxruntime")
    assert fault is not None
    processor = describe_processor()
    assert fault.sentence == f"importing {describe_library('onnxruntime')} " + said.format(processor=processor)
    assert remedy in fault.remedy
