"""Making the first call as fast as the thousandth, and seeing that pictures do not get into each other's way."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence

import numpy as np

from edge_agent.errors import ComponentError, EdgeAgentError, EngineFailed, EngineLost
from edge_agent.inference.engines.options import batch_sizes
from edge_agent.inference.imaging.bitmap import CHANNELS
from edge_agent.inference.imaging.resize import U8, ArrayPixels
from edge_agent.inference.pipeline import Inspection, Pipeline
from edge_agent.inference.steadiness import Answered
from edge_agent.inference.verdict import Verdict

log = logging.getLogger(__name__)

_CALLS = 3  # ONNX Runtime settles its memory plan in the first, its thread pool in the second; one shows another
#: how far score and areas of a picture may be from what it gets alone: another size of batch adds in another order
_TOLERANCE = 0.01


def warm_up(pipeline: Pipeline, samples: Sequence[U8] = (), blame: Callable[[], str] = lambda: "") -> Answered:
    """Run the model in the sizes of batch, with pictures as different as they can be, and with `samples`.

    A model that says that it takes batches but doesn't, or gives a picture another answer when it comes with others,
    is left with batches of the size that it does take.

    Args:
        pipeline: runs the model.
        samples: pictures of the training pictures' size.
        blame: says which nodes make a model that can't be used of one that mixes pictures; "" for none.

    Returns:
        A picture with the answer that it got before others.

    Raises:
        ComponentError: pictures influence each other by nodes that are only for training.
        EngineFailed: it fails on a single blank picture.
    """
    image = pipeline.manifest.image
    shape = (image.height, image.width, CHANNELS)
    blank = ArrayPixels(np.full(shape, 127, np.uint8))
    answered = Answered("a blank picture", blank, _run(pipeline, [blank])[0])
    texture = ArrayPixels(_texture(shape))
    try:
        answered = Answered("a textured picture", texture, _run(pipeline, [texture])[0])
    except EngineLost:
        raise
    except EngineFailed:  # it may fail on what no camera gives
        pass
    for _ in range(_CALLS - 2):
        _run(pipeline, [blank])
    if pipeline.batch == 1:
        return answered
    noise = np.random.default_rng(0).integers(0, 256, shape, np.uint8)
    drawn = [*samples, noise, noise // 4, 255 - noise // 4, np.zeros(shape, np.uint8), np.full(shape, 255, np.uint8)]
    pictures = [blank, *map(ArrayPixels, drawn)]
    alone = [_run(pipeline, [picture])[0] for picture in pictures]
    taken = 1
    for count in batch_sizes(pipeline.batch)[1:]:  # what is true of 4 and 8 is taken to be true of 6
        try:
            for first in range(0, len(pictures), count):
                chosen = [(first + place) % len(pictures) for place in range(count)]
                together = _run(pipeline, [pictures[number] for number in chosen])
                for number, verdict in zip(chosen, together, strict=True):
                    _compare(alone[number], verdict, count)
        except EngineFailed as error:
            if isinstance(error, _Mixed) and blame():
                raise ComponentError(f"{error}: {blame()}") from None
            log.warning("it inspects at most %d pictures at once: %s", taken, error)
            pipeline.batch = taken
            return answered
        taken = count
    return answered


def _texture(shape: tuple[int, int, int]) -> U8:
    """Draw a dark picture of fine texture; small and repeated, because chance takes its time."""
    tile = np.random.default_rng(1).integers(0, 128, (64, 64, shape[2]), np.uint8)
    repeats = (-(-shape[0] // 64), -(-shape[1] // 64), 1)
    return np.ascontiguousarray(np.tile(tile, repeats)[: shape[0], : shape[1]])


def _run(pipeline: Pipeline, pictures: Sequence[ArrayPixels]) -> list[Verdict]:
    verdicts: list[Verdict] = []
    for result in pipeline.run_batch(pictures):
        if isinstance(result, EdgeAgentError):
            raise result
        assert isinstance(result, Inspection)
        verdicts.append(result.verdict)
    return verdicts


class _Mixed(EngineFailed):
    """Pictures that are inspected together influence each other."""


def _compare(alone: Verdict, together: Verdict, count: int) -> None:
    if abs(together.score - alone.score) > _TOLERANCE:
        raise _Mixed(f"a picture's score is {alone.score:.4f} alone and {together.score:.4f} in a batch of {count}")
    areas = {area.label: area.fraction for area in alone.areas}
    for label, fraction in {**dict.fromkeys(areas, 0.0), **{a.label: a.fraction for a in together.areas}}.items():
        if abs(fraction - areas.get(label, 0.0)) > _TOLERANCE:
            raise _Mixed(
                f"a picture's area of '{label}' is {areas.get(label, 0.0):.4f} alone and {fraction:.4f} in a batch of "
                f"{count}"
            )
