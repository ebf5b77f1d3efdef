"""Several pictures at once give each what it gets alone."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from edge_agent.component.manifest import FILE_NAME, decode_manifest
from edge_agent.errors import EdgeAgentError, EngineFailed, InvalidRequest
from edge_agent.inference.engines.engine import load_on_processor
from edge_agent.inference.engines.options import EngineOptions
from edge_agent.inference.engines.signature import Signature, TensorSpec
from edge_agent.inference.host import HostPipeline
from edge_agent.inference.imaging.resize import U8, ArrayPixels
from edge_agent.inference.loading import load_pipeline
from edge_agent.inference.pipeline import Inspection, run_each
from tests.support.fakes import half_bright, picture, write_echo


def _pipeline(folder: Path, batch: int) -> HostPipeline:
    manifest = decode_manifest((folder / FILE_NAME).read_bytes(), source="test")
    return HostPipeline(manifest, load_on_processor(folder / manifest.model), batch)


def _flat(result: Inspection | EdgeAgentError) -> tuple[float, bytes]:
    assert isinstance(result, Inspection)
    return result.verdict.score, b"".join(result.mask or ())


class _Unreadable(ArrayPixels):
    def rows(self, first: int, last: int) -> U8:
        raise InvalidRequest("truncated")


def test_a_batch_gives_each_picture_what_it_gets_alone(tmp_path: Path) -> None:
    pipeline = _pipeline(write_echo(tmp_path, batch="batch"), 4)
    pictures = [ArrayPixels(drawn) for drawn in (picture(10), half_bright(), picture(200))]
    alone = [_flat(pipeline.run(pixels)) for pixels in pictures]
    assert [_flat(result) for result in pipeline.run_batch(pictures)] == alone
    assert len(set(alone)) == 3


def test_a_picture_that_cant_be_read_does_not_concern_the_others(tmp_path: Path) -> None:
    pipeline = _pipeline(write_echo(tmp_path, batch="batch"), 4)
    first, second, third = pipeline.run_batch(
        [ArrayPixels(picture(10)), _Unreadable(picture(0)), ArrayPixels(picture(200))]
    )
    assert isinstance(second, InvalidRequest)
    assert [round(_flat(result)[0] * 255) for result in (first, third)] == [10, 200]
    (only,) = pipeline.run_batch([_Unreadable(picture(0))])
    assert isinstance(only, InvalidRequest)


@pytest.mark.parametrize(("batch", "most"), [(1, 1), ("batch", 4)])
def test_a_model_with_a_fixed_batch_takes_one_at_a_time(tmp_path: Path, batch: int | str, most: int) -> None:
    folder = write_echo(tmp_path, batch=batch)
    manifest = decode_manifest((folder / FILE_NAME).read_bytes(), source="test")
    assert load_pipeline(folder, manifest, EngineOptions(batch=4)).pipeline.batch == most


def test_a_model_that_only_claims_to_take_batches_is_given_single_pictures(tmp_path: Path) -> None:
    folder = write_echo(tmp_path, batch="batch", mixed=True)
    manifest = decode_manifest((folder / FILE_NAME).read_bytes(), source="test")
    pipeline = load_pipeline(folder, manifest, EngineOptions(batch=4)).pipeline
    assert pipeline.batch == 1
    (result,) = pipeline.run_batch([ArrayPixels(np.full((64, 64, 3), 51, np.uint8))])
    assert _flat(result)[0] == pytest.approx(1.0, abs=1e-5), "it is the brightest there is"


class _Picky:
    """An engine that fails on a batch, or a picture, with a white pixel in the corner; the score is the brightness."""

    signature = Signature(
        (TensorSpec("picture", "float32", (None, 3, 64, 64)),), (TensorSpec("score", "float32", (None,)),)
    )

    def run(self, name: str, tensor: Any, outputs: list[str]) -> list[Any]:
        if (tensor[:, 0, 0, 0] == 1.0).any():
            raise EngineFailed("white")
        return [tensor.mean(axis=(1, 2, 3))]


def test_a_picture_that_the_engine_fails_on_does_not_concern_the_others(tmp_path: Path) -> None:
    folder = write_echo(tmp_path, segmentation=False)
    manifest = decode_manifest((folder / FILE_NAME).read_bytes(), source="test")
    pipeline = HostPipeline(manifest, _Picky(), 4)
    pictures = [ArrayPixels(picture(level)) for level in (10, 255, 200)]
    results = dict(run_each(pipeline, pictures))
    assert isinstance(results[1], EngineFailed)
    assert [round(_flat(results[number])[0] * 255) for number in (0, 2)] == [10, 200]
