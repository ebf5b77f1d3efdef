"""Pictures as applications have them: OpenCV's order of channels, and arrays that are no pictures."""

from __future__ import annotations

import numpy as np
import pytest

import edge_agent
from edge_agent.client.picture import check_picture
from edge_agent.errors import InvalidRequest
from tests.support.daemon import Daemon
from tests.support.fakes import half_bright

COLOURS = np.zeros((64, 64, 3), np.uint8)
COLOURS[:, :16] = (255, 255, 200)


@pytest.mark.parametrize("way", ["of the client", "of the call"])
def test_opencvs_order(serving: Daemon, way: str) -> None:
    """The agent is sent red first, and the mask comes back in the order that the picture had."""
    bgr = np.ascontiguousarray(COLOURS[..., ::-1])
    with edge_agent.Client(serving.socket) as plain:
        expected = plain.detect("echo", COLOURS)
        assert expected.mask is not None
        sent = _pixels(plain)
        if way == "of the call":
            found = plain.detect("echo", bgr, order="bgr")
            again = _pixels(plain)
        else:
            with edge_agent.Client(serving.socket, order="bgr") as other:
                found = other.detect("echo", bgr)
                again = _pixels(other)
    assert (sent == again).all()
    assert found.mask is not None
    assert (found.mask == expected.mask[..., ::-1]).all()
    assert found.score == expected.score


def _pixels(client: edge_agent.Client) -> np.ndarray:
    bitmap, _ = client._state.segments.of_size(COLOURS.nbytes)
    return np.frombuffer(bytes(bitmap.buffer(COLOURS.nbytes)), np.uint8)


def test_a_turned_picture_in_opencvs_order(serving: Daemon) -> None:
    with edge_agent.Client(serving.socket, order="bgr") as client:
        assert client.detect("echo", np.rot90(half_bright())).score == pytest.approx(0.25)


def test_an_order_that_there_is_not(serving: Daemon) -> None:
    with pytest.raises(InvalidRequest, match="order is 'brg', expected 'rgb' or 'bgr'"):
        edge_agent.Client(serving.socket, order="brg")  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("array", "said"),
    [
        (np.zeros((64, 64), np.uint8), "it is grey: give it three channels"),
        (np.zeros((64, 64, 1), np.uint8), "it is grey: give it three channels"),
        (np.zeros((64, 64, 4), np.uint8), r"it has a fourth channel: leave it out with picture\[..., :3\]"),
        (np.zeros((64, 64, 3), np.uint16), r"the picture is uint16 \[64, 64, 3\], expected uint8 .* scaled to 0..255"),
        (np.zeros((64, 64, 3), np.float32), "has to be scaled to 0..255 first"),
        (np.zeros((64,), np.uint8), r"expected uint8 \[height, width, 3\]$"),
    ],
)
def test_arrays_that_are_no_pictures(array: np.ndarray, said: str) -> None:
    with pytest.raises(InvalidRequest, match=said):
        check_picture(array)
