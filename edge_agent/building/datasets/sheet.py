"""A contact sheet: every picture of a dataset on one page, masks laid over, labels in words and colours."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from edge_agent.building.datasets.dataset import ANOMALY, NORMAL, Dataset, Example, LabelColor, parse_color
from edge_agent.building.datasets.masks import fitted_classes
from edge_agent.inference.imaging.overlay import lay_over
from edge_agent.inference.imaging.picture import read_picture

_TILE, _GAP, _COLUMNS = 200, 10, 8
_CAPTION, _HEAD = 20, 56
_PAPER, _INK, _QUIET = (250, 250, 248), (30, 30, 34), (110, 110, 118)
_EDGES = {NORMAL: (22, 120, 56), ANOMALY: (190, 30, 30), None: (150, 150, 150)}


def contact_sheet(dataset: Dataset, *, limit: int = 200) -> Image.Image:
    """Draw the first `limit` pictures, anomalies first, with their masks.

    Raises:
        InvalidRequest, DatasetError: a picture or mask can't be read.
    """
    order = [ANOMALY, NORMAL, None]
    examples = sorted(dataset.examples, key=lambda example: order.index(example.label))[:limit]
    tiles = [_tile(example, dataset.labels) for example in examples]
    tile_height = max(tile.height for tile in tiles)
    columns = min(_COLUMNS, len(tiles))
    rows = -(-len(tiles) // columns)
    legend = _legend(dataset, len(examples))
    width = max(columns * (_TILE + _GAP) + _GAP, legend.width)
    sheet = Image.new("RGB", (width, _HEAD + rows * (tile_height + _GAP) + _GAP), _PAPER)
    sheet.paste(legend, (0, 0))
    for number, tile in enumerate(tiles):
        row, column = divmod(number, columns)
        sheet.paste(tile, (_GAP + column * (_TILE + _GAP), _HEAD + row * (tile_height + _GAP)))
    return sheet


def _tile(example: Example, labels: Sequence[LabelColor]) -> Image.Image:
    picture = read_picture(example.path, example.pixel_format)
    if example.mask:
        height, width, _ = picture.shape
        classes = fitted_classes(example.mask, tuple(label.name for label in labels), (height, width))
        colors = np.array([(255, 255, 255), *(parse_color(label.color) for label in labels)], np.uint8)
        picture = lay_over(picture, colors[classes])
    image = Image.fromarray(picture)
    image.thumbnail((_TILE - 4, _TILE - 4))
    tile = Image.new("RGB", (_TILE, _TILE + _CAPTION), _PAPER)
    at = ((_TILE - image.width) // 2, (_TILE - image.height) // 2)
    draw = ImageDraw.Draw(tile)
    draw.rectangle(
        (at[0] - 2, at[1] - 2, at[0] + image.width + 1, at[1] + image.height + 1), fill=_EDGES[example.label]
    )
    tile.paste(image, at)
    font = ImageFont.load_default(12)
    draw.text((_TILE // 2, _TILE + 2), _fitted(example.path.name, font), fill=_QUIET, font=font, anchor="ma")
    return tile


def _fitted(text: str, font: ImageFont.FreeTypeFont | ImageFont.ImageFont) -> str:
    if font.getlength(text) <= _TILE:
        return text
    while font.getlength("…" + text) > _TILE:
        text = text[1:]
    return "…" + text


def _legend(dataset: Dataset, shown: int) -> Image.Image:
    counts = [
        (f"{len(dataset.of(label))} {word}", _EDGES[label])
        for label, word in ((NORMAL, "normal"), (ANOMALY, "anomalous"))
    ]
    unlabelled = len(dataset.examples) - len(dataset.labelled)
    if unlabelled:
        counts.append((f"{unlabelled} without a label", _EDGES[None]))
    entries = [*counts, *((label.name, parse_color(label.color)) for label in dataset.labels)]
    font, big = ImageFont.load_default(14), ImageFont.load_default(18)
    title = f"{dataset.source.name or dataset.source}"
    if shown < len(dataset.examples):
        title += f" (the first {shown} of {len(dataset.examples)})"
    width = 2 * _GAP + max(int(big.getlength(title)), sum(int(font.getlength(text)) + 36 for text, _ in entries))
    legend = Image.new("RGB", (width, _HEAD), _PAPER)
    draw = ImageDraw.Draw(legend)
    draw.text((_GAP, 6), title, fill=_INK, font=big)
    x = _GAP
    for text, color in entries:
        draw.rectangle((x, 34, x + 12, 46), fill=color)
        draw.text((x + 18, 40), text, fill=_INK, font=font, anchor="lm")
        x += int(font.getlength(text)) + 36
    return legend
