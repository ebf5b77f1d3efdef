"""What is asked of NVIDIA's libraries, with stand-ins that answer as their documentation says."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from edge_agent.component.manifest import Target
from edge_agent.hardware.nvidia import Gpu, Nvidia, examine_nvidia
from edge_agent.hardware.target import differences

ORIN = Gpu("Orin", "sm_87", 32 << 30)


class _Driver:
    """libcuda.so.1 of a machine with one GPU."""

    @staticmethod
    def _write(reference: Any, value: int) -> int:
        reference._obj.value = value
        return 0

    def cuInit(self, flags: int) -> int:
        return flags

    def cuDeviceGetCount(self, count: Any) -> int:
        return self._write(count, 1)

    def cuDeviceGetName(self, name: Any, size: int, device: int) -> int:
        assert (size, device) == (256, 0)
        name.value = b"Orin"
        return 0

    def cuDeviceGetAttribute(self, value: Any, attribute: int, device: int) -> int:
        return self._write(value, {75: 8, 76: 7}[attribute])

    def cuDeviceTotalMem_v2(self, memory: Any, device: int) -> int:
        return self._write(memory, 32 << 30)

    def cuDriverGetVersion(self, version: Any) -> int:
        return self._write(version, 12060)


class _Runtime:
    def cudaRuntimeGetVersion(self, version: Any) -> int:
        return _Driver._write(version, 12060)


class _Cudnn:
    def cudnnGetVersion(self) -> int:
        return 90_300


class _TensorRt:
    def __init__(self, version: int) -> None:
        self._version = version

    def getInferLibVersion(self) -> int:
        return self._version


def _loader(**libraries: Any) -> Any:
    def load(name: str) -> Any:
        for stem, library in libraries.items():
            if name.partition(".so")[0] == stem:
                return library
        raise OSError(f"{name}: cannot open shared object file")

    return load


@pytest.mark.parametrize(
    ("number", "version"), [(100_300, "10.3.0"), (8201, "8.2.1"), (7103, "7.1.3"), (110_000, "11.0.0")]
)
def test_a_jetson_is_described(tmp_path: Path, number: int, version: str) -> None:
    release = tmp_path / "nv_tegra_release"
    release.write_text("# R36 (release), REVISION: 4.0, GCID: 37537400, BOARD: generic, EABI: aarch64\n")
    load = _loader(libcuda=_Driver(), libcudart=_Runtime(), libcudnn=_Cudnn(), libnvinfer=_TensorRt(number))
    assert examine_nvidia(load, release) == Nvidia((ORIN,), "12.6", "12.6", "9.3.0", version, "6 (Jetson Linux 36.4.0)")


def test_libraries_that_are_not_there_have_no_version(tmp_path: Path) -> None:
    assert examine_nvidia(_loader(libcuda=_Driver()), tmp_path / "none") == Nvidia((ORIN,), "12.6")


def test_without_a_driver_there_is_no_gpu(tmp_path: Path) -> None:
    assert examine_nvidia(_loader(), tmp_path / "none") == Nvidia()
    driver = _Driver()
    driver.cuInit = lambda flags: 100  # type: ignore[method-assign]  # CUDA_ERROR_NO_DEVICE
    assert examine_nvidia(_loader(libcuda=driver), tmp_path / "none") == Nvidia()


def test_every_compiler_option_that_differs_is_named_with_both_sides() -> None:
    options = {"gpu-code": "sm_72", "trt-ver": "8.2.1", "cuda-ver": "10.2"}
    target = Target(arch="ARM64", accelerator="NVIDIA", compiler_options=options)
    assert differences(target, Nvidia((ORIN,), "12.6", "12.6", "9.3.0", "10.3.0")) == [
        "it was packaged for gpu-code sm_72, this device has Orin (sm_87)",
        "it was packaged for TensorRT 8.2.1, this device has 10.3.0",
        "it was packaged for CUDA 10.2, this device has 12.6",
    ]
    xavier = Nvidia((Gpu("Xavier", "sm_72", 1),), "10.2", "10.2", "8.2.1", "8.2.3")
    assert differences(target, xavier) == [], "a patch release of TensorRT runs what another one built"
