"""What the network sees of copies of a picture that are moved a little, as `move` moves them.

Two copies that are moved opposite ways are four pixels apart, a place of stride 4. So up to that stride the network
looks at one picture that goes on where either ends, and finds what it knows of both. Only along the side where a copy
ends and that picture does not, the copy is looked at by itself. What comes after that stride sees each copy alone.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

import numpy as np

from edge_agent.building.training import backbone
from edge_agent.building.training.features import (
    F32,
    FINE,
    FINE_CHANNELS,
    FINER,
    GRID,
    PATCH_CHANNELS,
    SHARP,
    Extractor,
    Features,
    add_features,
    input_spec,
    load_network,
)
from edge_agent.building.training.graph import Graph
from edge_agent.building.training.place_bank import COPIES, MOVED_BY, lean, lean_features, move, surround
from edge_agent.inference.engines.signature import TensorSpec
from edge_agent.inference.imaging.resize import U8
from edge_agent.inference.imaging.tensor import Normalizer

_NEAR = "stage2"
_STRIDE = backbone.STAGES[_NEAR][1]
#: places of that stride at the beginning and at the end of a side that see what lies beyond it, by the kernels up to
#: there: those of stride 2 begin with the picture and reach over its end
_BEGINNING, _END = 2, 3
#: pixels that have such places at one end, and as many at the other as see that these end there
_STRIP = (_BEGINNING + _END) * _STRIDE


def look_at_copies(extract: Extractor, source: Any) -> Callable[[U8], Features]:
    """Give what finds the `lean` features of all copies of a picture, from any thread; `extract` was made of the
    `source`."""
    if any(node.op_type == "QuantizeLinear" for node in source.graph.node):
        # Taken apart it would round otherwise.
        return lambda picture: lean(extract(move(picture)))
    return CopyExtractor(*extract.size, source)


class CopyExtractor:
    """Finds what an `Extractor` would find of the copies of a picture of the input's size, in four fifths of the time.

    It may be called from several threads at once.
    """

    def __init__(self, width: int, height: int, source: Any) -> None:
        self._size = (width, height)
        near = next(node.input[0] for node in backbone.load_backbone().graph.node if _NEAR in node.output)
        channels = backbone.STAGES[_NEAR][0]
        count = (height // GRID) * (width // GRID)
        first, then = Graph(), Graph()
        first.take(source.graph.node, source.graph.initializer)
        then.take((node for node in source.graph.node if near not in node.output), source.graph.initializer)
        add_features(then, width, height)
        of_any_size = (None, 3, None, None), (None, channels, None, None)
        inputs, outputs = (
            [TensorSpec(name, "float32", shape)]
            for name, shape in zip((backbone.INPUT, near), of_any_size, strict=True)
        )
        looked_for = {SHARP: [count, PATCH_CHANNELS], FINE: [FINER**2 * count, FINE_CHANNELS]}
        after = then.model({near: [1, channels, height // _STRIDE, width // _STRIDE]}, looked_for, "then")
        self._first = load_network(first.close(inputs, outputs, "first").SerializeToString())
        self._then = load_network(after.SerializeToString())
        self._near, self._looked_for = near, list(looked_for)
        self._own = threading.local()

    def __call__(self, picture: U8) -> Features:
        """Find the `lean` features of the copies of a uint8 [height, width, 3] picture."""
        width, height = self._size
        if not hasattr(self._own, "normalize"):
            self._own.normalize = Normalizer(input_spec(width + 2 * MOVED_BY, height + 2 * MOVED_BY))
        wider = self._own.normalize(surround(picture))
        inside = slice(MOVED_BY, -MOVED_BY)
        # Down, up, right and left, as `move` gives them.
        copies = [*self._see_near(wider[..., inside], 2), *self._see_near(wider[:, :, inside], 3)]
        found = [self._then.run(self._looked_for, {self._near: copy}) for copy in copies]
        assert len(found) == COPIES
        sharp, fine = (np.stack(of) for of in zip(*found, strict=True))
        return lean_features(sharp, fine, (height // GRID, width // GRID))

    def _see_near(self, wider: F32, axis: int) -> tuple[F32, F32]:
        """Find what is near, [1, channels, rows, columns], of the copy that is moved on along an axis, and of the one
        that is moved back, of a picture that is wider that way than either."""

        def see(begin: int | None, end: int | None) -> F32:
            part = np.ascontiguousarray(wider.swapaxes(axis, 0)[begin:end].swapaxes(axis, 0))
            return np.asarray(self._first.run([self._near], {backbone.INPUT: part})[0].swapaxes(axis, 0), np.float32)

        apart = 2 * MOVED_BY
        both = see(None, None)
        on, back = both[: -apart // _STRIDE], both[apart // _STRIDE :].copy()
        on[-_END:] = see(-apart - _STRIP, -apart)[-_END:]
        back[:_BEGINNING] = see(apart, apart + _STRIP)[:_BEGINNING]
        on, back = (np.ascontiguousarray(copy.swapaxes(axis, 0)) for copy in (on, back))
        return on, back
