"""How large the clients' pictures are, and the tensor that is made of them."""

from __future__ import annotations

from typing import NamedTuple

from edge_agent.building.importing.answering import parse_size
from edge_agent.building.importing.draft import Ask, Size, Wanted
from edge_agent.building.importing.onnx_model import ModelInput
from edge_agent.errors import ImportFailed
from edge_agent.inference.imaging.bitmap import MAX_SIDE, MIN_SIDE


class Sizes(NamedTuple):
    """Width and height of the pictures and of the input tensor, and what the user should know of them."""

    image: Size
    input: Size
    notes: tuple[str, ...] = ()


def find_sizes(spec: ModelInput, wanted: Wanted, ask: Ask, input_size: Size | None = None) -> Sizes:
    """Take a free input for pictures in their own size, and the pictures for those of a fixed input.

    Raises:
        ImportFailed: no size is known and nobody can be asked, or `input_size` is not the model's.
    """
    width, height = input_size or (spec.width, spec.height)
    if (spec.width or width, spec.height or height) != (width, height):
        raise ImportFailed(f"--input-size is {width}x{height}, the model's input {spec.width}x{spec.height}")
    if any(side is not None and not 1 <= side <= MAX_SIDE for side in (width, height)):
        raise ImportFailed(f"the model's input is {width}x{height}, expected 1 to {MAX_SIDE} pixels a side")
    image = wanted.image_size
    if image:
        check_image(image)
    if width is not None and height is not None:
        if image:
            return Sizes(image, (width, height))
        return Sizes((width, height), (width, height), (guessed_size((width, height)),))
    image = image or ask(
        "--image-size", "width and height of your pictures, which the model leaves free", _parse_image, "", needed=True
    )
    check_image(image)
    return Sizes(image, (width or image[0], height or image[1]))


def _parse_image(text: str) -> Size:
    size = parse_size(text)
    if not _can_be_served(size):
        raise ValueError(f"{text} can't be served, expected {MIN_SIDE} to {MAX_SIDE} pixels a side")
    return size


def _can_be_served(size: Size) -> bool:
    return all(MIN_SIDE <= side <= MAX_SIDE for side in size)


def guessed_size(size: Size) -> str:
    """Say that the pictures are taken to be of the input's size."""
    return (
        f"the file does not say how large the pictures are: clients have to send {size[0]}x{size[1]}, the network's "
        "input, unless --image-size says otherwise"
    )


def check_image(size: Size) -> None:
    """Check that pictures of a size can be served.

    Raises:
        ImportFailed: they can't be.
    """
    if not _can_be_served(size):
        raise ImportFailed(
            f"pictures of {size[0]}x{size[1]} can't be served, expected {MIN_SIDE} to {MAX_SIDE} pixels a side; give "
            "the size of your pictures with --image-size"
        )
