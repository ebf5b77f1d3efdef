"""NVIDIA's GPU and libraries, asked through their C interfaces; nothing has to be installed for that.

Sources: CUDA Driver API (cuInit, cuDeviceGetCount, cuDeviceGetName, cuDeviceGetAttribute, cuDeviceTotalMem,
cuDriverGetVersion), CUDA Runtime API (cudaRuntimeGetVersion), cuDNN (cudnnGetVersion), TensorRT (getInferLibVersion,
NvInferVersion.h), the kernel module's /sys/module/nvidia/version, and /etc/nv_tegra_release of Jetson Linux.
"""

from __future__ import annotations

import contextlib
import ctypes
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

Loader = Callable[[str], Any]

_MAJOR, _MINOR = 75, 76  # CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MAJOR and _MINOR
_NAME_BYTES = 256

_CUDART = ("libcudart.so", "libcudart.so.13", "libcudart.so.12", "libcudart.so.11.0", "libcudart.so.10.2")
_CUDNN = ("libcudnn.so", "libcudnn.so.9", "libcudnn.so.8")
_TENSORRT = ("libnvinfer.so", "libnvinfer.so.11", "libnvinfer.so.10", "libnvinfer.so.8", "libnvinfer.so.7")

_TENSORRT_PACKAGES = ("tensorrt", "tensorrt-cu13", "tensorrt-cu12")
_CUDA_PACKAGES = ("nvidia-cuda-runtime", "nvidia-cuda-runtime-cu13", "nvidia-cuda-runtime-cu12")

#: major release of Jetson Linux -> major release of JetPack, https://developer.nvidia.com/embedded/jetpack-archive
_JETPACK = {32: "4", 34: "5", 35: "5", 36: "6", 38: "7"}


class Gpu(NamedTuple):
    """One GPU as the driver describes it."""

    name: str
    #: compute capability as the compiler writes it, such as sm_87
    code: str
    #: bytes; on a Jetson it is the memory that the processor has too
    memory: int


class Nvidia(NamedTuple):
    """What there is of NVIDIA on the device; a version is "" when the library is not there."""

    gpus: tuple[Gpu, ...] = ()
    #: newest CUDA version that the driver can serve
    driver_cuda: str = ""
    cuda: str = ""
    cudnn: str = ""
    tensorrt: str = ""
    jetpack: str = ""
    #: of the kernel module; a Jetson has its JetPack's
    driver: str = ""


def examine_nvidia(
    load: Loader = ctypes.CDLL,
    tegra: Path = Path("/etc/nv_tegra_release"),
    module: Path = Path("/sys/module/nvidia/version"),
) -> Nvidia:
    """Ask the driver and the libraries. Takes a tenth of a second and some memory where there is a GPU.

    The driver can't be used in a process that is forked afterwards: call this in a worker or a command, not in the
    front process.
    """
    driver = _open(load, "libcuda.so.1")
    if driver is None or driver.cuInit(0) != 0:
        return Nvidia(jetpack=_jetpack(tegra))
    return Nvidia(
        gpus=tuple(_gpus(driver)),
        driver_cuda=_cuda(_number(driver, "cuDriverGetVersion")),
        cuda=_cuda(_number(_open(load, *_CUDART), "cudaRuntimeGetVersion")) or _packaged(_CUDA_PACKAGES, 2),
        cudnn=_cudnn(_result(_open(load, *_CUDNN), "cudnnGetVersion")),
        # The Python module is what runs; JetPack's has a version of a package too.
        tensorrt=_packaged(_TENSORRT_PACKAGES, 3) or _tensorrt(_result(_open(load, *_TENSORRT), "getInferLibVersion")),
        jetpack=_jetpack(tegra),
        driver=_first_line(module),
    )


def _open(load: Loader, *names: str) -> Any:
    for name in names:
        try:
            return load(name)
        except OSError:
            continue
    return None


def _gpus(driver: Any) -> list[Gpu]:
    count = ctypes.c_int()
    if driver.cuDeviceGetCount(ctypes.byref(count)) != 0:
        return []
    found = []
    for device in range(count.value):
        name = ctypes.create_string_buffer(_NAME_BYTES)
        memory, major, minor = ctypes.c_size_t(), ctypes.c_int(), ctypes.c_int()
        driver.cuDeviceGetName(name, _NAME_BYTES, device)
        driver.cuDeviceGetAttribute(ctypes.byref(major), _MAJOR, device)
        driver.cuDeviceGetAttribute(ctypes.byref(minor), _MINOR, device)
        driver.cuDeviceTotalMem_v2(ctypes.byref(memory), device)
        found.append(Gpu(name.value.decode(errors="replace"), f"sm_{major.value}{minor.value}", memory.value))
    return found


def _number(library: Any, function: str) -> int:
    """Call `function(int *)` and return what it wrote, 0 when it failed or is not there."""
    number = ctypes.c_int()
    try:
        return number.value if library is not None and getattr(library, function)(ctypes.byref(number)) == 0 else 0
    except AttributeError:
        return 0


def _result(library: Any, function: str) -> int:
    """Call `function()` and return its answer, 0 when it is not there."""
    try:
        return int(getattr(library, function)()) if library is not None else 0
    except AttributeError:
        return 0


def _cuda(number: int) -> str:
    return f"{number // 1000}.{number % 1000 // 10}" if number else ""


def _cudnn(number: int) -> str:
    """Versions are major * 1000 up to 8, major * 10000 from 9 on."""
    return _version(number, 10_000 if number >= 90_000 else 1000)


def _tensorrt(number: int) -> str:
    """Versions are major * 1000 up to 9, major * 10000 from 10 on."""
    return _version(number, 10_000 if number >= 100_000 else 1000)


def _version(number: int, major: int) -> str:
    return f"{number // major}.{number % major // 100}.{number % 100}" if number else ""


def _packaged(distributions: tuple[str, ...], parts: int) -> str:
    """Return the version of the package that is there, whose libraries are not where the system's loader looks."""
    from importlib import metadata  # the front imports this module, and would start later by it

    for distribution in distributions:
        with contextlib.suppress(metadata.PackageNotFoundError):
            return ".".join(metadata.version(distribution).split(".")[:parts])
    return ""


def is_jetson(dev: Path = Path("/dev"), tegra: Path = Path("/etc/nv_tegra_release")) -> bool:
    """Tell whether the device is one whose GPU has no memory of its own."""
    return (dev / "nvmap").exists() or tegra.exists()


def _first_line(file: Path) -> str:
    try:
        return file.read_text().partition("\n")[0].strip()
    except OSError:
        return ""


def _jetpack(tegra: Path) -> str:
    """Read a line such as `# R35 (release), REVISION: 4.1, …`."""
    try:
        match = re.match(r"# R(\d+) \(release\), REVISION: ([\d.]+)", tegra.read_text())
    except OSError:
        return ""
    if match is None:
        return ""
    return f"{_JETPACK.get(int(match[1]), 'unknown')} (Jetson Linux {match[1]}.{match[2]})"
