"""A plan's key, one who builds it, and what lies in a cache."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec

from edge_agent.inference.plan_cache.cache import PlanCache, PlanKey

KEY = PlanKey(
    component="cookies",
    label="model.onnx",
    model_sha256="a" * 64,
    gpu="Orin",
    compute_capability="sm_87",
    tensorrt="10.3.0",
    cuda="12.6",
    driver="540.4.0",
    precision="fp16",
    shapes=((1, 3, 384, 288), (8, 3, 384, 288)),
)
ROOM = 1 << 30
PLAN = b"a plan for the GPU"


class Builder:
    """Builds in this process, and counts."""

    def __init__(self, plan: bytes = PLAN) -> None:
        self.plan = plan
        self.paths: list[Path] = []

    def __call__(self, path: Path) -> None:
        self.paths.append(path)
        path.write_bytes(self.plan)


def use(cache: PlanCache, build: Callable[[Path], None], key: PlanKey = KEY) -> bytes:
    with cache.open(key, build) as path:
        return path.read_bytes()


def changed(**values: Any) -> PlanKey:
    return msgspec.structs.replace(KEY, **values)


def files(folder: Path) -> list[str]:
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())


def folder_of(cache: Path, key: PlanKey = KEY) -> Path:
    return cache / key.component / key.digest


def flip(path: Path) -> None:
    """Damage a file: one bit of it."""
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)
