"""Masks as maps of labels, one byte a pixel, and as coloured layers for the grid."""

from __future__ import annotations

import io
from typing import Literal

import msgspec
import numpy as np
from PIL import Image

from edge_agent.building.datasets.dataset import parse_color
from edge_agent.inference.imaging.overlay import layer
from edge_agent.inference.imaging.resize import U8
from edge_agent.studio.api.call import Call, Operation, Raw
from edge_agent.studio.store.masks import Saved
from edge_agent.studio.store.thumbnails import SIDE


class BuiltOn(msgspec.Struct, frozen=True):
    """The revision that a change of a mask builds on."""

    revision: int


class Which(msgspec.Struct, frozen=True):
    """People's mask, or the one that a model has proposed."""

    of: Literal["mask", "proposal"] = "mask"


def _map(call: Call) -> U8:
    store = call.parts.store
    if call.query.of == "mask":
        return store.masks.read(call.project, call.picture)
    picture = store.pictures.get(call.project, call.picture)
    path = store.pictures.proposal(call.project, call.picture)
    if not path.is_file():
        return np.zeros((picture.height, picture.width), np.uint8)
    return store.masks.interpret(call.project, path, picture)


def _read(call: Call) -> Raw:
    picture = call.parts.store.pictures.get(call.project, call.picture)
    return Raw(_map(call).tobytes(), "application/octet-stream", {"etag": f'"{picture.revision}"'})


def _layer(call: Call) -> Raw:
    classes = _map(call)
    labels = call.parts.store.projects.get(call.project).labels
    step = max(1, -(-max(classes.shape) // SIDE))
    content = io.BytesIO()
    Image.fromarray(layer(_shrunk(classes, step), [parse_color(label.color) for label in labels]), "RGBA").save(
        content, "PNG"
    )
    return Raw(content.getvalue(), "image/png")


def _shrunk(classes: U8, step: int) -> U8:
    """Shrink a map so that a scratch of one pixel stays visible: the highest label of each block."""
    height, width = (-(-side // step) * step for side in classes.shape)
    padded = np.zeros((height, width), np.uint8)
    padded[: classes.shape[0], : classes.shape[1]] = classes
    blocks = padded.reshape(height // step, step, width // step, step)
    return np.asarray(blocks.max(axis=(1, 3)))


def _save(call: Call) -> Saved:
    store = call.parts.store
    return store.masks.save(call.project, call.picture, call.body, call.query.revision, by=call.user.name)


_MASK = "/projects/{project}/pictures/{picture:int}/mask"
OPERATIONS = (
    Operation("GetMask", "GET", _MASK, "viewer", "Give a map of labels: width * height bytes, row by row; 0 is "
              "nothing, i the i-th label. The revision is the ETag.", _read, query=Which, answer=bytes),
    Operation("SaveMask", "PUT", _MASK, "operator", "Keep such a map (gzip is understood) in place of the one of "
              "`revision`; 409 when somebody else has changed it since.", _save, query=BuiltOn, body=bytes,
              answer=Saved),
    Operation("GetMaskLayer", "GET", "/projects/{project}/pictures/{picture:int}/layer", "viewer",
              "Give a small transparent picture of a mask, to be laid over the thumbnail.", _layer, query=Which,
              answer=bytes),
)  # fmt: skip
