"""How the values of pictures' files are meant."""

from __future__ import annotations

from edge_agent.inference.imaging.picture import PixelFormat


def pixel_format(bits: int = 16, bayer: str = "") -> PixelFormat:
    return PixelFormat(bits=bits, bayer=bayer)
