"""A component as a GPU takes it: its model in the precision and for the batch that are wanted, and what is around it.

What takes long to make is kept in the plan cache.
"""

from __future__ import annotations

import enum
import hashlib
import shutil
import tempfile
import weakref
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path

from edge_agent.component.manifest import Manifest
from edge_agent.hardware.nvidia import Nvidia
from edge_agent.inference.conversion.batching import free_batch
from edge_agent.inference.conversion.precision import convert_precision
from edge_agent.inference.conversion.pruning import only_outputs
from edge_agent.inference.conversion.sizes import fix_sizes
from edge_agent.inference.engines.onnx_signature import read_signature
from edge_agent.inference.engines.options import EngineOptions, Precision
from edge_agent.inference.engines.progress import Progress
from edge_agent.inference.engines.signature import Signature, input_shape
from edge_agent.inference.imaging.golden import prepared_samples
from edge_agent.inference.imaging.tensor import Tensor
from edge_agent.inference.plan_cache.cache import PlanCache
from edge_agent.inference.plan_cache.entry import PlanKey
from edge_agent.inference.stages.conclusion import conclusion_graph
from edge_agent.inference.stages.preparation import preparation_graph


class Stage(str, enum.Enum):
    """What runs one after the other on the GPU."""

    PREPARATION = "preparation"
    MODEL = "model"
    CONCLUSION = "conclusion"

    def __str__(self) -> str:
        return self.value


class GpuModel:
    """What an engine on a GPU needs of one component."""

    def __init__(
        self, folder: Path, manifest: Manifest, options: EngineOptions, nvidia: Nvidia, progress: Progress
    ) -> None:
        self._folder, self._nvidia, self._progress = folder, nvidia, progress
        self._plans = Path(options.plan_dir or tempfile.mkdtemp(prefix="edge-agent-plans-"))
        if not options.plan_dir:  # what is built goes with this object
            weakref.finalize(self, shutil.rmtree, self._plans, ignore_errors=True)
        self._cache = PlanCache(self._plans, options.plan_bytes)
        self.manifest = manifest
        #: what the model is computed in
        self.precision: Precision = options.precision or manifest.precision
        #: whether the component's own plan is what is wanted: in another precision one is built, where that is possible
        self.takes_own_plan = self.precision == manifest.precision or not manifest.onnx_file
        #: bitmaps that are worth inspecting at once, if the model takes so many
        self.batch = options.most(manifest.image)

    def preparation(self) -> bytes:
        """Write the graph of what comes before the model."""
        return preparation_graph(self.manifest.image, self.manifest.input)

    def conclusion(self, signature: Signature) -> bytes:
        """Write the graph of what comes after it; ComponentError when an output is not what the manifest says."""
        return conclusion_graph(self.manifest, signature.outputs)

    def onnx_file(self) -> AbstractContextManager[Path]:
        """Give the model's ONNX file as a GPU takes it.

        It is in the precision that is wanted, has the manifest's sizes, and a free batch if it can and that is of use.

        Raises:
            ComponentError: the file can't be converted; the text says why.
        """
        return self._cache.open(self._key("model.onnx", self._model_digest), self._convert)

    @property
    def _model_digest(self) -> str:
        """SHA-256 of the ONNX file, which whoever loads a component has compared with the manifest's already."""
        (digest,) = {file.sha256 for file in self.manifest.artifacts if file.path == self.manifest.onnx_file}
        return digest

    def _convert(self, target: Path) -> None:
        self._progress("converting the model", building=True)
        source = self._folder / self.manifest.onnx_file
        data = source.read_bytes()
        signature = read_signature(source)
        if {spec.name for spec in signature.outputs} > set(self.manifest.outputs.names):
            data = only_outputs(data, self.manifest.outputs.names)
        if self._has_free_sizes(signature):
            data = fix_sizes(data, input_shape(self.manifest.input)[1:])
        samples = self._samples if self.manifest.golden else None
        if self.batch > 1:
            data = free_batch(data, samples) or data
        target.write_bytes(convert_precision(data, self.precision, samples, self._progress))

    def _has_free_sizes(self, signature: Signature) -> bool:
        """Tell whether a size other than the batch is open in what goes in, or comes out and is used."""
        used = [*signature.inputs, *(spec for spec in signature.outputs if spec.name in self.manifest.outputs.names)]
        return any(spec.shape is None or None in spec.shape[1:] for spec in used)

    def _samples(self) -> Iterator[Tensor]:
        return prepared_samples(self._folder, self.manifest)

    def plan(
        self, stage: Stage, graph: bytes, batch: int, build: Callable[[Path], None]
    ) -> AbstractContextManager[Path]:
        """Give the plan of an ONNX graph for batches of up to `batch`; `build` writes it if it is not in the cache."""
        return self._cache.open(self._plan_key(stage, graph, batch), build)

    def forget_plan(self, stage: Stage, graph: bytes, batch: int) -> bool:
        """Remove a plan from the cache; tell whether it is gone."""
        return self._cache.discard(self._plan_key(stage, graph, batch))

    def _plan_key(self, stage: Stage, graph: bytes, batch: int) -> PlanKey:
        return self._key(f"plan of the {stage}", hashlib.sha256(graph).hexdigest(), batch)

    def engine_folder(self) -> Path:
        """Return a folder for what ONNX Runtime's TensorRT provider keeps of this model on this device.

        It looks after that itself; here it is only seen to that nothing is left of other versions.
        """
        root = self._plans / self.manifest.name / "onnxruntime-tensorrt"
        digest = self._key("onnxruntime-tensorrt", self._model_digest).digest
        if root.is_dir():
            for other in root.iterdir():
                if other.name != digest:
                    shutil.rmtree(other, ignore_errors=True)
        (root / digest).mkdir(parents=True, exist_ok=True)
        return root / digest

    def _key(self, label: str, digest: str, batch: int | None = None) -> PlanKey:
        image, nvidia = self.manifest.image, self._nvidia
        gpu = nvidia.gpus[0] if nvidia.gpus else None
        return PlanKey(
            component=self.manifest.name,
            label=label,
            model_sha256=digest,
            gpu=gpu.name if gpu else "",
            compute_capability=gpu.code if gpu else "",
            tensorrt=nvidia.tensorrt,
            cuda=nvidia.cuda or nvidia.driver_cuda,
            driver=nvidia.driver or nvidia.jetpack,
            precision=self.precision,
            shapes=((batch or self.batch, image.height, image.width, 3),),
        )
