"""DetectAnomalies through the real socket: what comes back, by bytes and through shared memory."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from edge_agent.component.manifest import Image as ImageSize
from edge_agent.component.manifest import Input, Label, MaskOutput, Outputs, ScoreOutput
from edge_agent.component.writing import write_component
from edge_agent.serving.rpc import edge_agent_pb2 as pb2
from tests.conftest import Segments
from tests.support.daemon import Daemon, Stub, bytes_request, running_daemon, segment_request
from tests.support.fakes import U8, half_bright, picture, write_echo

MaskOf = Callable[[bytes, int, int], U8]

SIZE = 64 * 64 * 3
GREEN = (0x23, 0xA4, 0x36)


def _detect(stub: Stub, request: pb2.DetectAnomaliesRequest) -> pb2.DetectAnomalyResult:
    response: pb2.DetectAnomaliesResponse = stub("DetectAnomalies", request)
    return response.detect_anomaly_result


def test_a_segmentation_model_answers_with_mask_and_areas_background_first(serving: Daemon, mask_of: MaskOf) -> None:
    result = _detect(serving.stub, bytes_request("echo", half_bright()))
    assert not result.is_anomalous
    assert result.anomaly_score == pytest.approx(0.25, abs=1e-6)
    assert result.confidence == pytest.approx(0.75, abs=1e-6)
    assert result.anomaly_threshold == 0.5
    assert [(found.name, found.pixel_anomaly.hex_color) for found in result.anomalies] == [
        ("background", "#FFFFFF"),
        ("bright", "#23A436"),
    ]
    assert [found.pixel_anomaly.total_percentage_area for found in result.anomalies] == [0.75, 0.25]
    assert (result.anomaly_mask.width, result.anomaly_mask.height) == (64, 64)
    mask = mask_of(result.anomaly_mask.byte_data, 64, 64)
    assert (mask[:, :16] == GREEN).all()
    assert (mask[:, 16:] == 255).all()


def test_confidence_is_the_score_when_anomalous(serving: Daemon) -> None:
    result = _detect(serving.stub, bytes_request("echo", picture(204)))
    assert result.is_anomalous
    assert result.confidence == result.anomaly_score == pytest.approx(0.8, abs=1e-6)
    assert [found.name for found in result.anomalies] == ["background", "bright"]
    assert result.anomalies[0].pixel_anomaly.total_percentage_area == 0


def test_a_normal_picture_has_only_background(serving: Daemon, mask_of: MaskOf) -> None:
    result = _detect(serving.stub, bytes_request("echo", picture(0)))
    assert [found.pixel_anomaly.total_percentage_area for found in result.anomalies] == [1.0]
    assert (mask_of(result.anomaly_mask.byte_data, 64, 64) == 255).all()


def test_a_classification_model_answers_without_mask_and_anomalies(serving: Daemon) -> None:
    result = _detect(serving.stub, bytes_request("plain", picture(255)))
    assert result.is_anomalous
    assert not result.HasField("anomaly_mask")
    assert not result.anomalies


def test_a_classification_model_ignores_a_mask_segment(serving: Daemon, segments: Segments) -> None:
    """Even one that does not exist, as the original agent did."""
    nowhere = pb2.SharedMemoryHandle(name="/there-is-no-such-segment", size=1)
    request = segment_request("plain", 64, 64, segments.make(picture(255)), nowhere)
    assert _detect(serving.stub, request).is_anomalous


def test_pixels_and_mask_through_segments(serving: Daemon, segments: Segments, mask_of: MaskOf) -> None:
    target = segments.make(bytes(SIZE))
    request = segment_request("echo", 64, 64, segments.make(half_bright()), target)
    result = _detect(serving.stub, request)
    assert result.anomaly_mask.shared_memory_handle == target
    assert result.anomaly_mask.WhichOneof("data") == "shared_memory_handle"
    mask = mask_of(segments.read(target), 64, 64)
    assert (mask[:, :16] == GREEN).all()
    assert (mask[:, 16:] == 255).all()


def test_pixels_from_a_segment_and_the_mask_in_the_answer(serving: Daemon, segments: Segments) -> None:
    result = _detect(serving.stub, segment_request("echo", 64, 64, segments.make(half_bright())))
    assert len(result.anomaly_mask.byte_data) == SIZE


def test_pixels_as_bytes_and_the_mask_into_a_segment(serving: Daemon, segments: Segments) -> None:
    request = bytes_request("echo", half_bright())
    request.anomaly_mask_params.shared_memory_handle.CopyFrom(segments.make(bytes(SIZE)))
    result = _detect(serving.stub, request)
    assert result.anomaly_mask.WhichOneof("data") == "shared_memory_handle"
    assert segments.read(request.anomaly_mask_params.shared_memory_handle).startswith(bytes(GREEN))


def test_many_pictures_in_one_segment(serving: Daemon, segments: Segments) -> None:
    whole = segments.make(np.stack([picture(level) for level in (0, 51, 102, 255)]))
    for number, score in enumerate((0.0, 0.2, 0.4, 1.0)):
        handle = pb2.SharedMemoryHandle(name=whole.name, size=SIZE, offset=number * SIZE)
        assert _detect(serving.stub, segment_request("echo", 64, 64, handle)).anomaly_score == pytest.approx(
            score, abs=1e-5
        )


def test_picture_and_mask_in_one_segment(serving: Daemon, segments: Segments) -> None:
    whole = segments.make(half_bright().tobytes() + bytes(SIZE))
    source = pb2.SharedMemoryHandle(name=whole.name, size=SIZE)
    target = pb2.SharedMemoryHandle(name=whole.name, size=SIZE, offset=SIZE)
    _detect(serving.stub, segment_request("echo", 64, 64, source, target))
    assert segments.read(source) == half_bright().tobytes()
    assert segments.read(target).startswith(bytes(GREEN))


def test_a_segment_is_reused_grown_and_made_anew_under_its_name(serving: Daemon, segments: Segments) -> None:
    handle = segments.make(picture(0))
    request = segment_request("echo", 64, 64, handle)
    assert _detect(serving.stub, request).anomaly_score == 0
    segments.path(handle.name).write_bytes(picture(255).tobytes())  # reused
    assert _detect(serving.stub, request).anomaly_score == pytest.approx(1, abs=1e-5)
    with segments.path(handle.name).open("r+b") as file:  # grown, and the picture is elsewhere in it
        file.truncate(4 * SIZE)
    handle.offset = 3 * SIZE
    assert _detect(serving.stub, segment_request("echo", 64, 64, handle)).anomaly_score == 0
    segments.path(handle.name).unlink()
    segments.make(picture(102), name=handle.name)
    handle.offset = 0
    assert _detect(serving.stub, request).anomaly_score == pytest.approx(0.4, abs=1e-5)


@pytest.mark.parametrize("mode", [0o666, 0o600])
def test_segments_of_either_mode(serving: Daemon, segments: Segments, mode: int) -> None:
    source, target = segments.make(half_bright(), mode=mode), segments.make(bytes(SIZE), mode=mode)
    _detect(serving.stub, segment_request("echo", 64, 64, source, target))
    assert segments.read(target).startswith(bytes(GREEN))


def test_a_name_without_the_leading_slash_is_the_same_segment(serving: Daemon, segments: Segments) -> None:
    handle = segments.make(picture(255))
    handle.name = handle.name.lstrip("/")
    assert _detect(serving.stub, segment_request("echo", 64, 64, handle)).anomaly_score == pytest.approx(1, abs=1e-5)


def test_the_agent_leaves_the_clients_segments_alone(serving: Daemon, segments: Segments) -> None:
    source, target = segments.make(half_bright()), segments.make(bytes(SIZE + 100))
    before = {name: segments.path(name).stat() for name in (source.name, target.name)}
    _detect(serving.stub, segment_request("echo", 64, 64, source, target))
    for name, status in before.items():
        now = segments.path(name).stat()
        assert (now.st_ino, now.st_size, now.st_mode) == (status.st_ino, status.st_size, status.st_mode)
    assert segments.read(target)[SIZE:] == bytes(100), "nothing is written behind the mask"


def test_the_mask_handle_of_an_older_published_contract_is_understood(serving: Daemon, segments: Segments) -> None:
    """AnomalyMaskParams.shared_memory_handle was field 3 there: it arrives as an unknown field."""
    target = segments.make(bytes(SIZE))
    handle = target.SerializeToString()
    old = bytes([3 << 3 | 2, len(handle)]) + handle
    request = bytes_request("echo", half_bright())
    request.anomaly_mask_params.MergeFromString(old)
    result = _detect(serving.stub, request)
    assert result.anomaly_mask.shared_memory_handle == target
    assert segments.read(target).startswith(bytes(GREEN))


@pytest.fixture(scope="module")
def sizes(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Daemon]:
    """A daemon with models for the smallest and the largest bitmap."""
    folder = tmp_path_factory.mktemp("sizes")
    for side in (64, 4096):
        write_echo(folder / "models", f"echo-{side}", side, side)
    with running_daemon(folder, models=folder / "models") as running:
        for side in (64, 4096):
            running.stub.start(f"echo-{side}")
        yield running


@pytest.mark.parametrize("side", [64, 4096])
def test_the_smallest_and_the_largest_bitmap(sizes: Daemon, segments: Segments, side: int, mask_of: MaskOf) -> None:
    drawn = half_bright(side, side)
    by_bytes = _detect(sizes.stub, bytes_request(f"echo-{side}", drawn))
    target = segments.make(bytes(drawn.nbytes))
    by_segment = _detect(sizes.stub, segment_request(f"echo-{side}", side, side, segments.make(drawn), target))
    for result in (by_bytes, by_segment):
        assert result.anomaly_score == pytest.approx(0.25, abs=1e-4)
        assert result.anomalies[1].pixel_anomaly.total_percentage_area == 0.25
    assert by_bytes.anomaly_mask.byte_data == segments.read(target)
    assert (mask_of(segments.read(target), side, side)[:, : side // 4] == GREEN).all()


def test_a_client_with_grpcs_default_limit_is_told_so_by_its_own_library(sizes: Daemon) -> None:
    """docs/api.md names the two ways out; the agent's answer is not lost, only refused over there."""
    narrow = Stub(sizes.socket, max_receive=4 << 20)
    code, details = narrow.refusal("DetectAnomalies", bytes_request("echo-4096", picture(0, 4096, 4096)))
    narrow.channel.close()
    assert code == "RESOURCE_EXHAUSTED"
    assert "larger than max" in details


def test_a_message_over_64_mib_is_refused(sizes: Daemon) -> None:
    request = pb2.DetectAnomaliesRequest(model_component="echo-64", bitmap=pb2.Bitmap(byte_data=bytes(65 << 20)))
    assert sizes.stub.refusal("DetectAnomalies", request)[0] == "RESOURCE_EXHAUSTED"


@pytest.mark.parametrize("every", [pytest.param(1, marks=pytest.mark.long), 9])
def test_the_reference_model_gives_the_known_answers(
    every: int, cookies: Path, tmp_path: Path, segments: Segments, mask_of: MaskOf
) -> None:
    """Verdict, score, confidence and areas of the 63 pictures, once by bytes and once by shared memory in and out."""
    labels = (Label(name="background", color="#FFFFFF"), Label(name="cracked", color="#23A436"))
    write_component(
        tmp_path / "models",
        {"model.onnx": (cookies / "models" / "cookies" / "model.onnx").read_bytes()},
        name="cookies",
        version="1.0.0",
        task="segmentation",
        image=ImageSize(width=576, height=768),
        input=Input(name="input", width=288, height=384, scale=1.0, mean=(127.0,) * 3, std=(128.0,) * 3),
        outputs=Outputs(
            score=ScoreOutput(name="score"), mask=MaskOutput(name="class_probabilities", kind="class_scores")
        ),
        threshold=0.5,
        labels=labels,
    )
    expected = json.loads((cookies / "models" / "cookies" / "expected.json").read_text())
    assert len(expected) == 63
    images = cookies / "data" / "cookies" / "training-images"
    size = 576 * 768 * 3
    source, target = segments.make(bytes(size)), segments.make(bytes(size))
    with running_daemon(tmp_path) as daemon:
        daemon.stub.start("cookies")
        for name, known in list(expected.items())[::every]:
            pixels = np.asarray(Image.open(images / name).convert("RGB"))
            segments.path(source.name).write_bytes(pixels.tobytes())
            by_bytes = _detect(daemon.stub, bytes_request("cookies", pixels))
            by_segment = _detect(daemon.stub, segment_request("cookies", 576, 768, source, target))
            assert by_bytes.anomaly_mask.byte_data == segments.read(target)
            for result in (by_bytes, by_segment):
                assert result.is_anomalous == known["is_anomalous"], name
                assert result.anomaly_score == pytest.approx(known["score"], abs=0.005), name
                assert result.confidence == pytest.approx(known["confidence"], abs=0.005), name
                areas = {found.name: found.pixel_anomaly.total_percentage_area for found in result.anomalies}
                assert areas == pytest.approx(known["areas"], abs=0.001), name
            mask = mask_of(segments.read(target), 576, 768)
            cracked = (mask == GREEN).all(axis=2)
            assert ((mask == 255).all(axis=2) | cracked).all()
            assert cracked.mean() == pytest.approx(areas.get("cracked", 0.0), abs=1e-6)
