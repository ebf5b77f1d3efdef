"""Features of a picture, as one ONNX graph that training runs and the finished model contains.

`patches` [positions, 152]: the backbone's maps of strides 8 and 16, averaged over 3x3 and brought to stride 16, one
row a position: what a place looks like (PatchCore, https://arxiv.org/abs/2106.08265).
`sharp` [positions, 152]: the same with stride 16 as it is: a defect of a few pixels is not lost among its neighbours.
`fine` [4 * positions, 88]: the map of stride 8 as it is, for what is smaller than a place, and the most and the least
that the map of stride 4 has there, for what is smaller still.
`pooled` [1, 456]: mean, standard deviation and maximum of each channel over the picture: what the whole looks like.
"""

from __future__ import annotations

import copy
import threading
import time
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, Literal, NamedTuple

import numpy as np
import numpy.typing as npt

from edge_agent.building.training import backbone
from edge_agent.building.training.graph import Graph
from edge_agent.building.training.shrinking import halve
from edge_agent.component.manifest import Input
from edge_agent.inference.imaging.resize import U8
from edge_agent.inference.imaging.tensor import Normalizer

F32 = npt.NDArray[np.float32]

PATCHES, SHARP, FINE, POOLED, CLASS_SCORES = "patches", "sharp", "fine", "pooled", "class_scores"
#: parts that the finished model takes by themselves: of `fine` (stride 8, and stride 4); of `patches` (stride 8, and
#: stride 16), and what `sharp` has instead of the last
OWN, FINEST = "fine.own", "fine.finest"
COARSELY, AROUND_SMOOTH, AROUND = "patches.own", "patches.around", "sharp.around"
_FINEST, _FINE, _COARSE = "stage2", "stage3", "stage5"
GRID = backbone.STAGES[_COARSE][1]
_FINE_LABELS = 4  # the background included: to compare more scores at every pixel of the input takes too long
#: rows and columns of `fine` for one of the others
FINER = GRID // backbone.STAGES[_FINE][1]
#: and of the map of stride 4 for one of `fine`
_FINEST_EACH = backbone.STAGES[_FINE][1] // backbone.STAGES[_FINEST][1]
#: of `fine`, those of stride 8, behind which are those of stride 4; in `sharp` and `patches` are as many of stride 8
STRIDE_8_CHANNELS = backbone.STAGES[_FINE][0]
FINE_CHANNELS = STRIDE_8_CHANNELS + 2 * backbone.STAGES[_FINEST][0]
PATCH_CHANNELS = STRIDE_8_CHANNELS + backbone.STAGES[_COARSE][0]
POOLED_CHANNELS = 3 * PATCH_CHANNELS
Quality = Literal["speed", "normal", "best"]
#: pixels of the model's input, about: 320x320 for a square picture. The time of an inspection goes with them
_AREAS: dict[Quality, int] = {"speed": 176 * 176, "normal": 320 * 320, "best": 448 * 448}
_MARGIN = 1.1  # how much more than that is allowed for sides that fit better


class Features(NamedTuple):
    """Of several pictures: patches and sharp [n, positions, 152], fine [n, 4 * positions, 88], pooled [n, 456];
    positions are rows by columns of `grid`, of fine twice as many."""

    patches: F32
    sharp: F32
    fine: F32
    pooled: F32
    grid: tuple[int, int]
    #: of the same pictures at half the size, where a model looks at both
    half: Features | None = None

    @property
    def fine_grid(self) -> tuple[int, int]:
        """Rows and columns of the positions of `fine`."""
        return self.grid[0] * FINER, self.grid[1] * FINER

    @property
    def nbytes(self) -> int:
        """Bytes of all that was seen, of half the size too."""
        return sum(of.nbytes for of in self[:4]) + (self.half.nbytes if self.half else 0)

    def of(self, index: Any) -> Features:
        """Take some of the pictures."""
        half = self.half and self.half.of(index)
        return Features(self.patches[index], self.sharp[index], self.fine[index], self.pooled[index], self.grid, half)

    def row(self, number: int) -> Features:
        """Take a row of positions of all pictures, without a copy; `pooled` stays what it is of the whole."""
        columns = self.grid[1]
        coarse = slice(number * columns, (number + 1) * columns)
        fine = slice(coarse.start * FINER**2, coarse.stop * FINER**2)
        return Features(self.patches[:, coarse], self.sharp[:, coarse], self.fine[:, fine], self.pooled, (1, columns))


class Joining:
    """Features of `count` pictures that come one after another, from any thread.

    Each is copied where it belongs when it comes: at the end one thread would copy all, and all would be there twice.
    """

    def __init__(self, count: int) -> None:
        self._count = count
        self._lock = threading.Lock()
        self._whole: Features | None = None

    def put(self, first: int, part: Features) -> None:
        """Take the features of some pictures, of which the first has this number; all have the same grid, and were
        looked at in the same sizes."""
        with self._lock:
            if self._whole is None:
                self._whole = self._empty(part)
            whole = self._whole
        self._copy(whole, first, part)

    def _empty(self, part: Features) -> Features:
        patches, sharp, fine, pooled = (np.empty((self._count, *of.shape[1:]), np.float32) for of in part[:4])
        return Features(patches, sharp, fine, pooled, part.grid, part.half and self._empty(part.half))

    def _copy(self, whole: Features, first: int, part: Features) -> None:
        assert (whole.half is None) == (part.half is None), "some were looked at in half the size, and some not"
        for of, found in zip(whole[:4], part[:4], strict=True):
            of[first : first + len(found)] = found
        if whole.half and part.half:
            self._copy(whole.half, first, part.half)

    @property
    def features(self) -> Features:
        """Of all pictures, when all have come."""
        assert self._whole is not None, "no picture has come"
        return self._whole


def join(parts: Sequence[Features]) -> Features:
    """Put the features of several pictures together; all have the same grid, and were looked at in the same sizes."""
    if len(parts) == 1:
        return parts[0]
    patches, sharp, fine, pooled = (np.concatenate(of) for of in zip(*(part[:4] for part in parts), strict=True))
    halves = [part.half for part in parts if part.half]
    assert len(halves) in {0, len(parts)}, "some were looked at in half the size, and some not"
    return Features(patches, sharp, fine, pooled, parts[0].grid, join(halves) if halves else None)


def choose_input_size(width: int, height: int, quality: Quality = "normal") -> tuple[int, int]:
    """Choose the model's input: about as many pixels as `quality` allows, in the picture's proportions, sides multiples
    of 32."""
    area = _AREAS[quality]
    sides = range(2 * backbone.STRIDE, 1025, backbone.STRIDE)
    ratio = np.log(width / height)

    def cost(size: tuple[int, int]) -> float:
        w, h = size
        # Distorting a picture loses more than a few pixels more or less.
        return float(abs(np.log(w * h / area)) + 2 * abs(np.log(w / h) - ratio))

    fitting = [(w, h) for w in sides for h in sides if w * h <= area * _MARGIN and w <= max(width, 64) * 2]
    return min(fitting, key=cost)


def input_spec(width: int, height: int) -> Input:
    """Describe how a picture becomes the backbone's input."""
    return Input(
        name=backbone.INPUT,
        width=width,
        height=height,
        scale=1 / backbone.STD,
        mean=(backbone.MEAN / backbone.STD,) * 3,
    )


def add_features(graph: Graph, width: int, height: int) -> None:
    """Add what makes `patches`, `sharp`, `fine` and `pooled` of the backbone's outputs, which must be in the graph."""
    count = (height // GRID) * (width // GRID)
    graph.weight("axes.plane", np.array([2, 3], np.int64))
    smooth = {"kernel_shape": [3, 3], "pads": [1, 1, 1, 1], "count_include_pad": 0}
    fine = graph.op("AveragePool", "fine.smooth", _FINE, **smooth)
    fine = graph.op("AveragePool", "fine.grid", fine, kernel_shape=[FINER, FINER], strides=[FINER, FINER])
    _add_rows(graph, COARSELY, fine, STRIDE_8_CHANNELS, count)
    _add_rows(graph, AROUND, _COARSE, PATCH_CHANNELS - STRIDE_8_CHANNELS, count)
    coarse = graph.op("AveragePool", "coarse.smooth", _COARSE, **smooth)
    _add_rows(graph, AROUND_SMOOTH, coarse, PATCH_CHANNELS - STRIDE_8_CHANNELS, count)
    graph.op("Concat", PATCHES, COARSELY, AROUND_SMOOTH, axis=1)
    graph.op("Concat", SHARP, COARSELY, AROUND, axis=1)
    each = {"kernel_shape": [_FINEST_EACH] * 2, "strides": [_FINEST_EACH] * 2}
    most = graph.op("MaxPool", "finest.most", _FINEST, **each)
    # ONNX has no pooling of the least: it is the most of what is negative.
    negative = graph.op("MaxPool", "finest.negative.most", graph.op("Neg", "finest.negative", _FINEST), **each)
    both = graph.op("Concat", "finest.both", most, graph.op("Neg", "finest.least", negative), axis=1)
    _add_rows(graph, OWN, _FINE, STRIDE_8_CHANNELS, FINER**2 * count)
    _add_rows(graph, FINEST, both, FINE_CHANNELS - STRIDE_8_CHANNELS, FINER**2 * count)
    graph.op("Concat", FINE, OWN, FINEST, axis=1)
    statistics = [part for stage in (_FINE, _COARSE) for part in _pool(graph, stage)]
    stacked = graph.op("Concat", "pooled.stacked", *statistics, axis=1)
    graph.weight("pooled.shape", np.array([1, POOLED_CHANNELS], np.int64))
    graph.op("Reshape", POOLED, stacked, "pooled.shape")


def _add_rows(graph: Graph, name: str, plane: str, channels: int, count: int) -> None:
    """Put the places of [1, channels, rows, columns] below each other: [count, channels]."""
    # In this order: onnxruntime would take a transposition just before a product into it, and do it several times.
    last = graph.op("Transpose", f"{name}.channels.last", plane, perm=[0, 2, 3, 1])
    graph.reshape(name, last, count, channels)


def _pool(graph: Graph, stage: str) -> tuple[str, str, str]:
    mean = graph.op("ReduceMean", f"{stage}.mean", stage, "axes.plane", keepdims=1)
    difference = graph.op("Sub", f"{stage}.difference", stage, mean)
    square = graph.op("Mul", f"{stage}.square", difference, difference)
    variance = graph.op("ReduceMean", f"{stage}.variance", square, "axes.plane", keepdims=1)
    return mean, graph.op("Sqrt", f"{stage}.deviation", variance), graph.op("GlobalMaxPool", f"{stage}.max", stage)


def mask_stride(labels: int) -> int:
    """Return by how much the class scores are smaller than the input."""
    return 1 if labels <= _FINE_LABELS else 2


def class_scores_shape(labels: int, width: int, height: int) -> tuple[int, int, int]:
    """Return labels, height and width of a segmentation's class scores."""
    stride = mask_stride(labels)
    return labels, height // stride, width // stride


def source_model(width: int, height: int, add_masks: Callable[[Graph], str] | None = None, labels: int = 0) -> Any:
    """Make the part that is convolutions: the backbone's stages, and the class scores if `add_masks` writes some.

    Returns:
        An onnx.ModelProto, whose outputs are what the features are made of, and `class_scores`.
    """
    model = backbone.load_backbone()
    graph = Graph()
    graph.take(model.graph.node, model.graph.initializer)
    outputs: dict[str, list[int]] = {}
    for stage in (_FINEST, _FINE, _COARSE):
        channels, stride = backbone.STAGES[stage]
        outputs[stage] = [1, channels, height // stride, width // stride]
    if add_masks:
        graph.op("Identity", CLASS_SCORES, add_masks(graph))
        outputs[CLASS_SCORES] = [1, *class_scores_shape(labels, width, height)]
    return graph.model({backbone.INPUT: [1, 3, height, width]}, outputs, "source")


def feature_graph(width: int, height: int, source: Any) -> Graph:
    """Make a graph of the source and the features."""
    graph = Graph()
    graph.take(source.graph.node, source.graph.initializer)
    add_features(graph, width, height)
    return graph


def load_network(model: bytes, threads: int = 1) -> Any:
    """Load a serialised graph for looking at training pictures: an onnxruntime.InferenceSession."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.log_severity_level = 3
    return onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])


class _Own(threading.local):
    """What each thread has of its own: the tensor that a picture is brought into."""

    def __init__(self, width: int, height: int) -> None:
        self.normalize = Normalizer(input_spec(width, height))


class Extractor:
    """Runs the feature graph on pictures of the input's size.

    One thread for a picture, since there are many: two side by side take two thirds of the time of one after another
    with two threads each, and of the processor's. It may be called from several threads at once.
    """

    def __init__(self, width: int, height: int, source: Any, threads: int = 1) -> None:
        self.size = (width, height)
        #: sees the same pictures at half the size, where a model looks at both
        self._half: Extractor | None = None
        count = (height // GRID) * (width // GRID)
        shapes = {
            PATCHES: [count, PATCH_CHANNELS],
            SHARP: [count, PATCH_CHANNELS],
            FINE: [FINER**2 * count, FINE_CHANNELS],
            POOLED: [1, POOLED_CHANNELS],
        }
        self._names = list(shapes)
        graph = feature_graph(width, height, source)
        model = graph.model({backbone.INPUT: [1, 3, height, width]}, shapes, "features")
        self._load = partial(load_network, model.SerializeToString(), threads)
        self._session: Any = None
        self._loading = threading.Lock()
        self._taken: list[float] = []
        self._own = _Own(width, height)

    def beside(self, half: Extractor) -> Extractor:
        """Give what looks at pictures at half the size too."""
        both = copy.copy(self)
        both._half = half
        return both

    def __call__(self, pictures: list[U8]) -> Features:
        """Extract the features of uint8 [height, width, 3] pictures."""
        with self._loading:
            session = self._session = self._session or self._load()
        normalize = self._own.normalize
        found = []
        for picture in pictures:
            begun = time.thread_time()
            found.append(session.run(self._names, {backbone.INPUT: normalize(picture)}))
            self._taken.append(time.thread_time() - begun)
        patches, sharp, fine, pooled = zip(*found, strict=True)
        grid = (self.size[1] // GRID, self.size[0] // GRID)
        half = self._half([halve(picture) for picture in pictures]) if self._half else None
        return Features(np.stack(patches), np.stack(sharp), np.stack(fine), np.concatenate(pooled), grid, half)

    @property
    def milliseconds(self) -> float:
        """What the features of a picture take here, nearly all of an inspection with one thread: the processor time of
        that thread, in the median of the pictures that were looked at."""
        return float(np.median(self._taken)) * 1000 + (self._half.milliseconds if self._half else 0)

    def rest(self) -> None:
        """Let go of the memory that the network runs in, tens of megabytes a thread, until the next picture."""
        self._session = None
        if self._half:
            self._half.rest()
