"""What the device decides about the engine of a model, and the names of the engines."""

from __future__ import annotations

from typing import Literal, NamedTuple

from edge_agent.component.manifest import Image
from edge_agent.inference.imaging.bitmap import bitmap_bytes
from edge_agent.settings import Settings, plan_bytes

EngineName = Literal["tensorrt", "onnxruntime-tensorrt", "onnxruntime-cuda", "onnxruntime-cpu"]
#: in order of preference; the last, on the processor, runs everywhere
ENGINES: tuple[EngineName, ...] = ("tensorrt", "onnxruntime-tensorrt", "onnxruntime-cuda", "onnxruntime-cpu")
CPU: EngineName = "onnxruntime-cpu"
Precision = Literal["fp32", "fp16", "int8"]

#: bitmaps that a GPU inspects at once, where the settings leave that to the engine
GPU_BATCH = 8
#: bytes of bitmaps that are inspected at once at the most: with large pictures a GPU is busy with one
_BATCH_BYTES = 64 << 20


def batch_sizes(batch: int) -> list[int]:
    """Return the sizes of batch that a model is made ready for, from 1 to `batch`; others lie between two of them."""
    return sorted({1, batch, *(size for size in (2, 4, 8, 16, 32) if size < batch)})


class EngineOptions(NamedTuple):
    """How a model is to be run; docs/settings.md has the meanings."""

    engine: EngineName | Literal["auto"] = "auto"
    #: of an engine on the processor; 0: one a core
    threads: int = 0
    #: whether a component for a GPU may run on the processor
    cpu_fallback: bool = False
    #: "" for the component's own
    precision: Precision | Literal[""] = ""
    #: bitmaps at once; 0: GPU_BATCH on a GPU and 1 on the processor
    batch: int = 0
    #: where plans that are built on this device are kept; "": nowhere
    plan_dir: str = ""
    #: how many bytes of them
    plan_bytes: int = 4 << 30

    @classmethod
    def of(cls, settings: Settings) -> EngineOptions:
        """Return what the settings say."""
        return cls(
            engine=settings.engine,
            threads=settings.threads,
            cpu_fallback=settings.cpu_fallback,
            precision="" if settings.precision == "component" else settings.precision,
            batch=settings.batch,
            plan_dir=str(settings.plans),
            plan_bytes=plan_bytes(settings),
        )

    def most(self, image: Image) -> int:
        """Return the largest batch of pictures of this size that any engine makes with these options."""
        if self.batch or self.engine == CPU:
            return self.batch or 1
        return max(1, min(GPU_BATCH, _BATCH_BYTES // bitmap_bytes(image.width, image.height)))
