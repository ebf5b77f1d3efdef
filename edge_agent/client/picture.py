"""From an application's array to the bitmap of the contract, and back."""

from __future__ import annotations

from typing import Literal, get_args

import numpy as np

from edge_agent.client.detection import U8
from edge_agent.errors import InvalidRequest
from edge_agent.inference.imaging.bitmap import CHANNELS

#: which channel of a picture comes first: rgb, as Pillow and most others have it, or bgr, as OpenCV has
Order = Literal["rgb", "bgr"]

_REMEDIES = {
    1: "is grey: give it three channels with numpy.repeat(picture[..., None], 3, axis=2)",
    4: "has a fourth channel: leave it out with picture[..., :3]",
}


def check_order(order: str) -> None:
    """Raise InvalidRequest for an order of channels that there is not."""
    if order not in get_args(Order):
        raise InvalidRequest(f"order is {order!r}, expected 'rgb' or 'bgr'")


def check_picture(picture: U8) -> None:
    """Raise InvalidRequest for what is not uint8 [height, width, 3]; the text says what to do with usual others."""
    if picture.dtype == np.uint8 and picture.ndim == 3 and picture.shape[2] == CHANNELS:
        return
    channels = 1 if picture.ndim == 2 else picture.shape[2] if picture.ndim == 3 else 0
    remedy = _REMEDIES.get(channels, "")
    if picture.dtype in (np.uint16, np.float32, np.float64):
        remedy = "has to be scaled to 0..255 first, always by the same factor, and as the training pictures were"
    raise InvalidRequest(
        f"the picture is {picture.dtype} {list(picture.shape)}, expected uint8 [height, width, 3]"
        + (f"; it {remedy}" if remedy else "")
    )


def copy_pixels(picture: U8, to: U8, order: Order) -> None:
    """Copy a picture into a bitmap, or a bitmap out, with red first on the one side and `order` on the other."""
    if order == "rgb":
        np.copyto(to, picture)
        return
    import cv2  # by far the fastest way, and only who needs it waits until it is loaded

    cv2.cvtColor(np.ascontiguousarray(picture), cv2.COLOR_BGR2RGB, dst=to)
