"""Turning and shifting a picture to lie as good parts do, as nodes of an ONNX graph.

A pose is an angle and a shift: what is at `p` where parts lie as the template does is at `R(angle) p + shift` in the
picture. Points are measured from the picture's middle in halves of its width, so that a pose is the same for every size
of the input. Poses are found coarsely, by the correlation with templates that are turned and shifted, and then exactly,
by least squares (S. Baker and I. Matthews, "Lucas-Kanade 20 Years On", https://doi.org/10.1023/B:VISI.0000011205.11775.fd:
inverse compositional).
"""

from __future__ import annotations

from typing import Any, NamedTuple

import cv2
import numpy as np

from edge_agent.building.training import backbone
from edge_agent.building.training.features import F32, input_spec
from edge_agent.building.training.graph import Graph
from edge_agent.inference.imaging.resize import U8

VIEW, POSE, FITS, REGISTERED = "register.view", "register.pose", "register.fits", "register.picture"
#: sides of what is compared with, in its places: a fine one is compared with what is around it
HIGH_PASS, SOFTEN, COARSER = 9, 3, 2
STEPS = 6  # of the least squares
#: of a step, at the most: radians, and halves of the width
LONGEST = np.array([0.06, 0.05, 0.05], np.float32)
_TRIED = 2  # angles from which the exact pose is sought: a part may look nearly alike when it is turned by half
BESIDE = 7  # of the angles, one is tried of so many
_LEAST = 1e-6
_ROUNDED = 1e-4  # halves of a side, by which the middle of an outermost pixel may seem to be outside
#: places of the mean picture, each side, of which one light is known
LIGHT = 16


class Search(NamedTuple):
    """What poses are found with: weights of the graph.

    turned [angles, 1, rows, columns] and mask [1, 1, rows, columns] are coarse, `angles` in radians go around in a
    circle if `is_circle`; reach is how many coarse places parts are shifted by, down and across. points [n, 2] is where
    the template is looked at, shown [n] what it shows there, solved [n, 3] makes a step of what differs.
    """

    angles: F32
    is_circle: bool
    turned: F32
    mask: F32
    reach: int
    points: F32
    shown: F32
    solved: F32
    #: rows and columns of the fine grid
    grid: tuple[int, int]
    #: what good parts look like in the mean [rows, columns, 3], in any size: what a turned picture has not is filled in
    mean: U8


def register(source: Any, search: Search, width: int, height: int) -> Any:
    """Put the search in front of a source model: what it convolves is the registered picture."""
    graph = Graph()
    add_registration(graph, search, width, height)
    renamed = []
    for node in source.graph.node:
        copied = type(node)()
        copied.CopyFrom(node)
        for place, name in enumerate(copied.input):
            if name == backbone.INPUT:
                copied.input[place] = REGISTERED
        renamed.append(copied)
    graph.take(renamed, source.graph.initializer)
    outputs = {value.name: [d.dim_value for d in value.type.tensor_type.shape.dim] for value in source.graph.output}
    return graph.model({backbone.INPUT: [1, 3, height, width]}, {**outputs, POSE: [1, 3]}, "source")


def registration_model(search: Search, width: int, height: int) -> Any:
    """Make a model that gives the picture as it is registered."""
    graph = Graph()
    add_registration(graph, search, width, height)
    plane = [1, 3, height, width]
    return graph.model({backbone.INPUT: plane}, {REGISTERED: plane}, "registration")


def add_registration(graph: Graph, search: Search, width: int, height: int) -> None:
    """Add what finds the pose of the picture, and the picture registered by it."""
    _add_view(graph, search, width)
    add_search(graph, search)
    add_warp(graph, "register.warped", backbone.INPUT, POSE, width, height)
    # Between the middles of the outermost pixels, so that nothing is mixed with what is beyond them; each axis has its
    # own limit, once a column, which is compared faster than once for all.
    far = graph.op("Abs", "register.warped.far", "register.warped.grid")
    inside = np.array([1 - 1 / side + _ROUNDED for side in (width, height)], np.float32)
    graph.weight("register.inside", np.tile(inside, (1, 1, width, 1)))
    is_inside = graph.op("Less", "register.inside.axes", far, "register.inside")
    is_inside = graph.cast("register.seen.axes", is_inside, "float32")
    graph.weight("register.axis.last", _sizes(3))
    seen = graph.op("ReduceMin", "register.seen.rows", is_inside, "register.axis.last", keepdims=0)
    seen = graph.reshape("register.seen", seen, 1, 1, height, width)
    mean = _add_mean(graph, search.mean, width, height)
    light = _add_light(graph, "register.warped", seen, search.mean, width, height)
    filled = graph.op("Add", "register.filled", mean, light)
    is_seen = graph.op("Greater", "register.is_seen", seen, graph.weight("register.half", np.array(0.5)))
    graph.op("Where", REGISTERED, is_seen, "register.warped", filled)


def add_search(graph: Graph, search: Search) -> None:
    """Add what finds the pose in the view."""
    rows, columns = search.grid
    graph.weight("register.axis.channel", _sizes(1))
    angle, down, across = _add_coarse(graph, search)
    pose = graph.op("Concat", "register.first", angle, across, down, axis=1)
    graph.weight("register.solved", search.solved)
    graph.weight("register.shown", search.shown[:, None])
    graph.weight("register.longest", LONGEST[None])
    graph.weight("register.longest.back", -LONGEST[None])
    graph.weight("register.points", _homogeneous(search.points))
    graph.weight("register.tried.shape", _sizes(tried_angles(search), 1, 1, 1))
    tried = graph.op("Expand", "register.fine.tried", VIEW, "register.tried.shape")
    for step in range(STEPS + 1):
        seen = _add_look(graph, f"register.look.{step}", tried, pose, search, columns / rows)
        if step < STEPS:
            pose = _add_step(graph, f"register.step.{step}", seen, pose)
    fits = graph.op("MatMul", FITS, seen, "register.shown")
    graph.weight("register.axis.first", _sizes(0))
    best = graph.op("ArgMax", "register.best", fits, axis=0, keepdims=0)
    graph.op("Gather", POSE, pose, best, axis=0)


def add_warp(graph: Graph, name: str, of: str, pose: str, width: int, height: int) -> None:
    """Add `of` [1, c, height, width] as it is seen where the pose brings its places, 0 beyond it."""
    # Rows and columns are brought there each by itself: all places would be most of the model's file.
    x, y = ((2 * np.arange(side) + 1 - side) / width for side in (width, height))
    graph.weight(f"{name}.columns", np.column_stack([x, np.zeros(width), np.ones(width)]))
    graph.weight(f"{name}.rows", np.column_stack([np.zeros(height), y, np.zeros(height)]))
    matrix = _add_matrix(graph, name, pose, width / height)
    across = graph.op("MatMul", f"{name}.across", f"{name}.columns", matrix)
    down = graph.op("MatMul", f"{name}.down", f"{name}.rows", matrix)
    down = graph.reshape(f"{name}.down.rows", down, 1, height, 1, 2)
    across = graph.reshape(f"{name}.across.columns", across, 1, 1, width, 2)
    graph.op("GridSample", name, of, graph.op("Add", f"{name}.grid", across, down), mode="bilinear", align_corners=0)


def add_inverse(graph: Graph, name: str, pose: str) -> str:
    """Add the pose that leads back."""
    turn, right, below = _add_parts(graph, name, pose)
    back = graph.op("Neg", f"{name}.turn.back", turn)
    cos, sin = graph.op("Cos", f"{name}.cos", back), graph.op("Sin", f"{name}.sin", back)
    moved = _add_turned(graph, name, cos, sin, right, below)
    graph.op("Concat", name, back, *(graph.op("Neg", f"{part}.back", part) for part in moved), axis=1)
    return name


def tried_angles(search: Search) -> int:
    """Say from how many angles the exact pose is sought."""
    return min(_TRIED, len(search.angles)) if search.is_circle else 1


def _sizes(*values: int) -> Any:
    return np.array(values, np.int64)


def _homogeneous(points: F32) -> F32:
    return np.column_stack([points, np.ones(len(points), np.float32)]).astype(np.float32)


def _add_view(graph: Graph, search: Search, width: int) -> None:
    """Add the grey picture on the fine grid without its light."""
    factor, small = width // search.grid[1], backbone.INPUT
    if factor > 1:
        small = graph.op("AveragePool", "register.small", small, kernel_shape=[factor] * 2, strides=[factor] * 2)
    graph.weight("register.axis.channel", _sizes(1))
    gray = graph.op("ReduceMean", "register.gray", small, "register.axis.channel", keepdims=1)
    graph.op("Sub", VIEW, gray, _add_box(graph, "register.light", gray, HIGH_PASS))


def _add_mean(graph: Graph, mean: U8, width: int, height: int) -> str:
    """Add what good parts look like in the mean, as the input is: constant, so that it is made once."""
    spec = input_spec(width, height)
    graph.weight("register.mean.pixels", mean.transpose(2, 0, 1)[None])
    pixels = graph.cast("register.mean.values", "register.mean.pixels", "float32")
    graph.weight("register.mean.scale", np.array(spec.scale))
    graph.weight("register.mean.taken_off", np.asarray(spec.mean)[:, None, None])
    scaled = graph.op("Mul", "register.mean.scaled", pixels, "register.mean.scale")
    small = graph.op("Sub", "register.mean.small", scaled, "register.mean.taken_off")
    return _add_enlarged(graph, "register.mean", small, width, height)


def light_grid(shape: tuple[int, ...]) -> tuple[int, int]:
    """Say in how many rows and columns the light is known of a picture as large as the mean one."""
    rows, columns = (max(1, side // LIGHT) for side in shape[:2])
    return rows, columns


def spread_light(grid: tuple[int, int]) -> F32:
    """Weigh what is known of the light at each place for each other one: the nearest by far the most."""
    places = np.argwhere(np.ones(grid))
    away = ((places[:, None] - places) ** 2).sum(axis=2)
    return np.asarray(1 / (away**3 + 0.25), np.float32)


def _add_light(graph: Graph, warped: str, seen: str, mean: U8, width: int, height: int) -> str:
    """Add by how much the picture is brighter than the mean, drawn out to where it is not seen (`seen` 0).

    Else its own border would be an edge, which lies elsewhere on each part: of a disc that repeats itself and lies at
    any angle good parts would differ by little else.
    """
    grid = light_grid(mean.shape)
    tile = np.array([height // grid[0], width // grid[1]])
    part = tile // 4
    small = cv2.resize(mean, (width // int(part[1]), height // int(part[0])), interpolation=cv2.INTER_AREA)
    known = graph.weight("register.light.mean", normalized(np.asarray(small, np.uint8)))
    # What is mixed with what is beyond the picture would count as light, and not as seen.
    shown = graph.op("Mul", "register.light.shown", warped, seen)

    def pool(name: str, of: str, by: Any) -> str:
        return graph.op("AveragePool", f"register.light.{name}", of, kernel_shape=by.tolist(), strides=by.tolist())

    seen = pool("seen.small", seen, part)
    expected = graph.op("Mul", "register.light.expected", known, seen)
    more = graph.op("Sub", "register.light.more", pool("small", shown, part), expected)
    count = grid[0] * grid[1]
    spread = graph.weight("register.light.spread", spread_light(grid))
    both = []
    for name, of, planes in (("more", more, 3), ("seen", seen, 1)):
        rows = graph.reshape(f"register.light.{name}.rows", pool(f"{name}.tiles", of, tile // part), planes, count)
        both.append(graph.op("MatMul", f"register.light.{name}.spread", rows, spread))
    some = graph.op("Max", "register.light.seen.some", both[1], graph.weight("register.light.least", np.array(_LEAST)))
    light = graph.reshape("register.light.grid", graph.op("Div", "register.light.rows", both[0], some), 1, 3, *grid)
    return _add_enlarged(graph, "register.light", light, width, height)


def _add_enlarged(graph: Graph, name: str, of: str, width: int, height: int) -> str:
    sizes = graph.weight(f"{name}.sizes", _sizes(1, 3, height, width))
    how = {"mode": "linear", "coordinate_transformation_mode": "half_pixel"}
    return graph.op("Resize", f"{name}.enlarged", of, "", "", sizes, **how)


def normalized(picture: U8) -> F32:
    """Bring a picture to what the input is: [3, rows, columns]; from any thread."""
    spec = input_spec(picture.shape[1], picture.shape[0])
    mean = np.asarray(spec.mean, np.float32)[:, None, None]
    return np.asarray(picture.transpose(2, 0, 1) * np.float32(spec.scale) - mean, np.float32)


def _add_box(graph: Graph, name: str, of: str, side: int) -> str:
    pads = [side // 2] * 4
    return graph.op("AveragePool", name, of, kernel_shape=[side] * 2, pads=pads, count_include_pad=0)


def _add_coarse(graph: Graph, search: Search) -> tuple[str, str, str]:
    """Add the angles that fit best, and where: each [tried, 1]."""
    soft = _add_box(graph, "register.soft", VIEW, SOFTEN)
    graph.op("AveragePool", "register.coarse", soft, kernel_shape=[COARSER] * 2, strides=[COARSER] * 2)
    reach, count = search.reach, len(search.angles)
    side = 2 * reach + 1
    graph.weight("register.turned", search.turned)
    graph.weight("register.mask", search.mask)
    graph.weight("register.pads", _sizes(0, 0, reach, reach, 0, 0, reach, reach))
    wide = graph.op("Pad", "register.wide", "register.coarse", "register.pads", mode="edge")
    products = graph.op("Conv", "register.products", wide, "register.turned")
    sums = graph.op("Conv", "register.sums", wide, "register.mask")
    squares = graph.op("Conv", "register.squares", graph.op("Mul", "register.wide.square", wide, wide), "register.mask")
    graph.weight("register.mask.count", np.array([search.mask.sum()], np.float32))
    graph.weight("register.least", np.array([_LEAST], np.float32))
    square = graph.op("Mul", "register.sums.square", sums, sums)
    share = graph.op("Div", "register.mean.square", square, "register.mask.count")
    energy = graph.op("Sub", "register.energy.signed", squares, share)
    energy = graph.op("Max", "register.energy", energy, "register.least")
    fits = graph.op("Div", "register.coarse.fits", products, graph.op("Sqrt", "register.length", energy))
    fits = graph.reshape("register.coarse.rows", fits, count, side * side)
    best = graph.op("ReduceMax", "register.by_angle", fits, "register.axis.channel", keepdims=0)
    if tried_angles(search) > 1:
        best = _add_only_peaks(graph, best, count)
    chosen = f"{graph.top('register.top', best, tried_angles(search))}.indices"
    rows = graph.op("Gather", "register.top.rows", fits, chosen, axis=0)
    place = graph.op("ArgMax", "register.top.place", rows, axis=1, keepdims=1)
    # Of each place: how far down and across, in halves of the width.
    step = 2 * COARSER / search.grid[1]
    down, across = (np.mgrid[:side, :side].reshape(2, -1) - reach) * step
    graph.weight("register.angles", search.angles[:, None])
    angle = graph.op("Gather", "register.top.angle", "register.angles", chosen, axis=0)
    found = []
    for name, of in (("down", down), ("across", across)):
        known = graph.weight(f"register.{name}", of.astype(np.float32))
        at = graph.op("Gather", f"register.top.{name}.of", known, place, axis=0)
        found.append(graph.reshape(f"register.top.{name}", at, -1, 1))
    return angle, found[0], found[1]


def _add_only_peaks(graph: Graph, best: str, count: int) -> str:
    """Leave of each angle and those beside it only the one that fits best."""
    beside = BESIDE // 2
    around = np.arange(-beside, count + beside) % count
    wide = graph.reshape("register.by_angle.wide", graph.gather("register.by_angle.around", best, around, 0), 1, 1, -1)
    pooled = graph.op("MaxPool", "register.by_angle.pooled", wide, kernel_shape=[BESIDE])
    most = graph.reshape("register.by_angle.most", pooled, -1)
    is_less = graph.op("Less", "register.by_angle.less", best, most)
    graph.weight("register.none", np.array(-2.0, np.float32))
    return graph.op("Where", "register.peaks", is_less, "register.none", best)


def _add_look(graph: Graph, name: str, fine: str, pose: str, search: Search, ratio: float) -> str:
    """Add what is seen at the template's points, its mean taken off, of length 1: [tried, n]."""
    grid = graph.op("MatMul", f"{name}.grid.flat", "register.points", _add_matrix(graph, name, pose, ratio))
    grid = graph.reshape(f"{name}.grid", grid, tried_angles(search), 1, len(search.points), 2)
    seen = graph.op("GridSample", f"{name}.seen", fine, grid, mode="bilinear", align_corners=0)
    seen = graph.reshape(f"{name}.rows", seen, tried_angles(search), len(search.points))
    mean = graph.op("ReduceMean", f"{name}.mean", seen, "register.axis.channel", keepdims=1)
    centred = graph.op("Sub", f"{name}.centred", seen, mean)
    length = graph.op("ReduceL2", f"{name}.length", centred, "register.axis.channel", keepdims=1)
    return graph.op("Div", f"{name}.normal", centred, graph.op("Max", f"{name}.length.some", length, "register.least"))


def _add_step(graph: Graph, name: str, seen: str, pose: str) -> str:
    """Add the pose that is nearer to that of the template: [tried, 3]."""
    shown = graph.op("Transpose", f"{name}.shown", "register.shown", perm=[1, 0])
    differs = graph.op("Sub", f"{name}.differs", shown, seen)
    step = graph.op("MatMul", f"{name}.whole", differs, "register.solved")
    step = graph.op("Min", f"{name}.to", step, "register.longest")
    step = graph.op("Max", f"{name}.from", step, "register.longest.back")
    turn, right, below = _add_parts(graph, f"{name}.old", pose)
    more, ahead, down = _add_parts(graph, f"{name}.new", step)
    cos, sin = graph.op("Cos", f"{name}.cos", turn), graph.op("Sin", f"{name}.sin", turn)
    ahead, down = _add_turned(graph, name, cos, sin, ahead, down)
    return graph.op(
        "Concat", f"{name}.pose",
        graph.op("Add", f"{name}.angle", turn, more),
        graph.op("Add", f"{name}.across", right, ahead),
        graph.op("Add", f"{name}.down", below, down),
        axis=1,
    )  # fmt: skip


def _add_parts(graph: Graph, name: str, pose: str) -> tuple[str, str, str]:
    """Take angle, shift across and down apart, each [n, 1]."""
    names = enumerate(("angle", "across", "down"))
    angle, across, down = (graph.gather(f"{name}.{part}", pose, [place], 1) for place, part in names)
    return angle, across, down


def _add_turned(graph: Graph, name: str, cos: str, sin: str, across: str, down: str) -> tuple[str, str]:
    """Turn a point."""
    products = {
        key: graph.op("Mul", f"{name}.{key}", *of)
        for key, of in {"cx": (cos, across), "sy": (sin, down), "sx": (sin, across), "cy": (cos, down)}.items()
    }
    return (
        graph.op("Sub", f"{name}.turned.across", products["cx"], products["sy"]),
        graph.op("Add", f"{name}.turned.down", products["sx"], products["cy"]),
    )


def _add_matrix(graph: Graph, name: str, pose: str, ratio: float) -> str:
    """Add what brings points [n, 3] (across, down, 1) to where GridSample looks: [poses, 3, 2]; `ratio` is the width by
    the height."""
    turn, right, below = _add_parts(graph, f"{name}.matrix", pose)
    cos, sin = graph.op("Cos", f"{name}.matrix.cos", turn), graph.op("Sin", f"{name}.matrix.sin", turn)
    graph.weight("register.ratio", np.array([ratio], np.float32))
    tall = [graph.op("Mul", f"{part}.tall", part, "register.ratio") for part in (sin, cos, below)]
    back = graph.op("Neg", f"{name}.matrix.sin.back", sin)
    flat = graph.op("Concat", f"{name}.matrix.flat", cos, tall[0], back, tall[1], right, tall[2], axis=1)
    return graph.reshape(f"{name}.matrix", flat, -1, 3, 2)
