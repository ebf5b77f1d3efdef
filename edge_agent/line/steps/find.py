"""A region that is found by a template's position: parts that do not always lie at the same place.

Normalised correlation of grey values (OpenCV's TM_CCOEFF_NORMED): brightness and contrast do not matter, turning does.
"""

from __future__ import annotations

import functools
from pathlib import Path

import cv2
import numpy as np

from edge_agent.errors import InvalidRequest
from edge_agent.inference.imaging.picture import read_picture
from edge_agent.inference.imaging.resize import U8
from edge_agent.line.steps.cut import cut
from edge_agent.line.tables.models import Region
from edge_agent.line.tables.steps import Find


@functools.lru_cache(maxsize=16)
def read_template(path: str) -> U8:
    """Read a template, grey [height, width].

    Raises:
        InvalidRequest: it can't be read, or is all of one grey.
    """
    grey = np.asarray(cv2.cvtColor(read_picture(Path(path)), cv2.COLOR_RGB2GRAY), np.uint8)
    if int(grey.min()) == int(grey.max()):
        raise InvalidRequest(f"template {path} is all of one grey, expected something that can be found")
    return grey


def find(step: Find, picture: U8) -> U8:
    """Cut the region out that lies where the template was found.

    Raises:
        InvalidRequest: it was not found, or the region lies outside the picture.
    """
    template = read_template(step.template)
    where = step.within
    searched = cut(picture, where, "step find: within") if where is not None else picture
    left, top = (where.x, where.y) if where is not None else (0, 0)
    height, width = template.shape
    if searched.shape[0] < height or searched.shape[1] < width:
        raise InvalidRequest(
            f"step find: the template is {width}x{height}, larger than what is searched, "
            f"{searched.shape[1]}x{searched.shape[0]}"
        )
    grey = cv2.cvtColor(np.ascontiguousarray(searched), cv2.COLOR_RGB2GRAY)
    _, best, _, (x, y) = cv2.minMaxLoc(cv2.matchTemplate(grey, template, cv2.TM_CCOEFF_NORMED))
    if best < step.likeness:
        raise InvalidRequest(f"step find: the template was not found: likeness {best:.2f}, expected {step.likeness:g}")
    x, y = left + int(x) + step.x, top + int(y) + step.y
    if x < 0 or y < 0:
        raise InvalidRequest(f"step find: the region begins at {x},{y}, outside the picture")
    region = Region(x=x, y=y, width=step.width or width, height=step.height or height)
    return cut(picture, region, "step find")
