"""Does a model need more pixels than it usually has? Where pictures are much larger than its input, the data decide.

A model with twice the sides, which looks at the usual size too, takes five times as long, so it has to be shown that it
sees what the usual one does not. Two things tell. Specks of the picture's own surface, put on good parts where they
don't belong, tell what is lost of what is small; they need no anomaly. Anomalies tell whether that matters: how many
verdicts are expected to be wrong with both, by held-out scores and their distributions. Ten anomalies that happen to be
ranked rightly say little of the next ones; how far they lie from good parts says more. Where hardly a verdict is wrong,
or few anomalies tell, specks decide.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from functools import partial
from typing import Literal, NamedTuple, Protocol, TypeVar

import numpy as np
import numpy.typing as npt

from edge_agent.building.counting import Progress, count_up
from edge_agent.building.datasets.dataset import Example
from edge_agent.building.datasets.split import folds
from edge_agent.building.training.cores import one_thread_each, side_by_side
from edge_agent.building.training.drawn import chosen_evenly
from edge_agent.building.training.features import F32, Extractor, Features, Joining, join
from edge_agent.building.training.head import Head
from edge_agent.building.training.memory import describe_places
from edge_agent.building.training.place_bank import Distances, choose_view, compare_places, lean
from edge_agent.building.training.sentence import Sentence, written_size
from edge_agent.building.training.shrinking import shrink
from edge_agent.building.training.threshold import expected_errors
from edge_agent.errors import TrainingError
from edge_agent.inference.imaging.picture import read_picture
from edge_agent.inference.imaging.resize import U8

#: from how many pixels a side for one of the model's input on a larger one is tried
SHRUNK = 2.5
_TIMES = 2  # the sides of a larger input
_MOST_SIDE = 1024
#: of a training, which take 3.0 GB at two sizes where parts lie alike, and 2.8 registered at one: of more the features
#: at the larger size would fill the memory
MOST_PICTURES = 150
ENOUGH_ANOMALIES = 5  # that tell by themselves what something is good for
_LEAST_TRIED_ON, TRIED_ON = 8, 16  # good parts that specks are put on
_SPECK, _LEAST_SPECK = 0.006, 4  # of the longer side, and pixels
_CELLS = (2, 3)  # rows and columns of a picture's parts, each of which gets a speck
_WITHIN = 0.6  # of such a part: so far from its neighbour that each speck is seen alone
_REACH = 2  # fine places beside a speck that see it
_LOOKED_AT = 8  # pieces of surface, of which the one that differs most is the speck
_FOLDS = 5
_SHARP_ENOUGH = 0.985  # area under the ROC curve, from which on there is little to add
_HARDLY_ANY_ERRORS = 0.005  # of all verdicts, likewise
_FEW_ERRORS = 0.015  # up to which half of them are a few pictures, so that specks have to be seen far better
_MISSING = 0.5  # a larger input may leave so much of what the usual one lacks of an area of 1, or of its errors
#: of so many anomalies one may be judged worse with a larger input that sees specks far better, and of more as well:
#: whether one of ten is found is luck
_ONE_OF = 10


class Judging(Protocol):
    """Something with a verdict."""

    @property
    def head(self) -> Head:
        """What judges."""


J = TypeVar("J", bound=Judging)
#: why no larger input was tried: it has no more pixels, masks are learned, there are too many pictures, too few good
#: parts for specks where these decide, or hardly a verdict is expected to be wrong
Untried = Literal["size", "masks", "many", "few", "sure"]


class Trial(NamedTuple):
    """What a larger input was found to be good for, each with the usual and with the larger one."""

    is_better: bool
    #: areas under the ROC curve of specks on good parts; None where they were not asked
    specks: tuple[float, float] | None = None
    #: shares of the verdicts that are expected to be wrong; None where they did not decide
    verdicts: tuple[float, float] | None = None
    #: with the larger one the wanted precision can't be reached
    is_imprecise: bool = False


def see_more(usual: float, larger: float) -> bool:
    """Tell whether specks are seen so much better, by areas under the ROC curve."""
    return has_something_to_gain(usual) and 1 - larger <= _MISSING * (1 - usual)


def choose_larger(
    usual: J,
    anomalous: npt.NDArray[np.bool_],
    fit_larger: Callable[[], J],
    see_specks: Callable[[npt.NDArray[np.intp]], tuple[float, float]],
    same: Sequence[str] = (),
) -> tuple[J, Trial | None]:
    """Try a larger input where the data can say anything of it; keep what they ask for.

    Args:
        usual: was fitted with the usual input.
        anomalous: which of the pictures are, that it was fitted on.
        fit_larger: fits the same with the larger one; TrainingError where the wanted precision can't be reached.
        see_specks: of good parts, tells with which area under the ROC curve specks on them are seen, with both inputs.
        same: a key for each picture; of those with the same key, which are copies, specks are put on the first.
    """
    if why_untried(usual.head, anomalous, same):
        return usual, None
    good = chosen_evenly(without_copies(~anomalous, same), TRIED_ON)
    wrong = share_wrong(usual.head, anomalous)
    specks_decide = _specks_decide(wrong, anomalous)
    specks = see_specks(good) if specks_decide else None
    if specks and not see_more(*specks):
        return usual, Trial(False, specks)
    try:
        larger = fit_larger()
    except TrainingError:
        # A model is there: what is only tried beside it does not end the training.
        return usual, Trial(False, specks, is_imprecise=True)
    more_wrong = share_wrong(larger.head, anomalous)
    if wrong is None or more_wrong is None:
        return larger, Trial(True, specks)
    no_worse = more_wrong <= wrong + 1 / max(_ONE_OF, int(anomalous.sum())) / 2
    is_better = no_worse if specks_decide else more_wrong <= _MISSING * wrong
    if no_worse and not is_better and len(good) >= _LEAST_TRIED_ON:
        specks = see_specks(good)
        is_better = see_more(*specks)
    return (larger if is_better else usual), Trial(is_better, specks, (wrong, more_wrong))


def why_untried(usual: Head, anomalous: npt.NDArray[np.bool_], same: Sequence[str]) -> Untried | None:
    """Say why the data can say nothing of a larger input; None where they can."""
    wrong = share_wrong(usual, anomalous)
    if len(anomalous) > MOST_PICTURES:
        return "many"
    if wrong is not None and wrong <= _HARDLY_ANY_ERRORS:
        return "sure"
    if _specks_decide(wrong, anomalous) and without_copies(~anomalous, same).sum() < _LEAST_TRIED_ON:
        return "few"
    return None


def _specks_decide(wrong: float | None, anomalous: npt.NDArray[np.bool_]) -> bool:
    return int(anomalous.sum()) < ENOUGH_ANOMALIES or (wrong is not None and wrong <= _FEW_ERRORS)


def without_copies(chosen: npt.NDArray[np.bool_], same: Sequence[str]) -> npt.NDArray[np.bool_]:
    """Leave out of the `chosen` pictures those that are copies of one before."""
    if not same:
        return chosen
    found = np.zeros(len(chosen), bool)
    places = np.flatnonzero(chosen)
    found[places[np.unique(np.asarray(same)[places], return_index=True)[1]]] = True
    return found


def larger_size(picture: tuple[int, int], usual: tuple[int, int]) -> tuple[int, int] | None:
    """Give the input that is tried beside the usual one: None where pictures are not much larger, or that is not."""
    size = twice(usual)
    shrunk = max(picture[0] / usual[0], picture[1] / usual[1])
    return size if shrunk >= SHRUNK and max(size) <= _MOST_SIDE else None


def twice(usual: tuple[int, int]) -> tuple[int, int]:
    """Give the input of twice the sides: at half its size a picture is seen as with the usual one."""
    return _TIMES * usual[0], _TIMES * usual[1]


def has_something_to_gain(area: float) -> bool:
    """Tell whether pictures could be ranked better, by the area under the ROC curve."""
    return area < _SHARP_ENOUGH


def share_wrong(head: Head, anomalous: npt.NDArray[np.bool_]) -> float | None:
    """Give the share of wrong verdicts to expect where half of the pictures are anomalous; None without anomalies."""
    if not anomalous.any():
        return None
    raw = head.out_of_fold
    return expected_errors(raw[~anomalous], raw[anomalous]) / 2


def speck_places(size: tuple[int, int], number: int) -> npt.NDArray[np.intp]:
    """Choose the specks' upper left corners on a picture of `size` (width, height): [specks, row and column]; the same
    `number` chooses the same ones."""
    width, height = size
    side = _speck_side(size)
    inside = np.random.default_rng(number).uniform((1 - _WITHIN) / 2, (1 + _WITHIN) / 2, (*_CELLS, 2))
    rows, columns = np.mgrid[: _CELLS[0], : _CELLS[1]]
    row = (rows + inside[..., 0]) / _CELLS[0] * (height - side)
    column = (columns + inside[..., 1]) / _CELLS[1] * (width - side)
    return np.stack([row.ravel(), column.ravel()], axis=1).astype(np.intp)


def _speck_side(size: tuple[int, int]) -> int:
    return min(max(_LEAST_SPECK, round(_SPECK * max(size))), *size)


def add_specks(picture: U8, number: int) -> U8:
    """Put small pieces of the picture, turned, where they differ; the same `number` chooses the same pieces."""
    height, width = picture.shape[:2]
    side = _speck_side((width, height))
    rng = np.random.default_rng([number, 1])

    def piece() -> U8:
        row, column = int(rng.integers(height - side + 1)), int(rng.integers(width - side + 1))
        return np.rot90(picture[row : row + side, column : column + side])

    found = picture.copy()
    for row, column in speck_places((width, height), number).tolist():
        where = slice(row, row + side), slice(column, column + side)
        there = picture[where].astype(np.int16)
        pieces = [piece() for _ in range(_LOOKED_AT)]
        found[where] = max(pieces, key=lambda piece: float(np.abs(piece - there).mean()))
    return np.asarray(found, np.uint8)


def speck_middles(size: tuple[int, int], number: int) -> F32:
    """Tell where the specks of a picture are: rows and columns of their middles [specks, 2], in shares of its sides."""
    return np.asarray((speck_places(size, number) + _speck_side(size) / 2) / size[::-1], np.float32)


def specks_seen(good: Features, specks: Features, middles: Iterable[F32], *, seed: int) -> float:
    """Give the area under the ROC curve of specks on good parts, each judged by what the others show at its places.

    `specks` are of the same pictures as `good`, in the same order, `middles` say where they are in each. A speck counts
    as if its picture had no other, and is looked for in the size of the input alone. There must be two pictures, and no
    copies: beside a remembered copy of its picture a speck would be seen better than on a part that is new.
    """
    both = join([lean(of._replace(half=None)) for of in (good, specks)])
    return _seen_beside(both, middles, seed=seed)


def _seen_beside(both: Features, middles: Iterable[F32], *, seed: int) -> float:
    """Give the same of good parts, and of the same with specks after them."""
    number, grid = len(both.fine) // 2, both.fine_grid
    count = min(_FOLDS, number)
    fold = np.asarray(folds([0] * number, count, seed=seed))
    with_specks = np.arange(2 * number) >= number
    view = choose_view(both, ~with_specks, seed=seed)
    found, _ = compare_places(both, view, with_specks, np.tile(fold, 2), count, seed=seed)
    of_good, of_specks = (Distances(*(of[which] for of in found)) for which in (~with_specks, with_specks))
    memory = describe_places(of_good, grid, np.zeros(number, bool), fold, count)
    unusual = memory.usual(of_specks)
    scores = np.stack([_at_specks(of, grid, here) for of, here in zip(unusual, middles, strict=True)])
    scores = np.maximum(scores, memory.scores[:, None])[..., None]
    return float((scores > memory.scores).mean() + (scores == memory.scores).mean() / 2)


def _at_specks(unusual: F32, grid: tuple[int, int], middles: F32) -> F32:
    """Give how unusual the worst place at each speck of a picture is."""
    plane = unusual.reshape(grid)
    rows, columns = (middles * grid).astype(int).T
    return np.array([
        plane[max(0, row - _REACH) : row + _REACH + 1, max(0, column - _REACH) : column + _REACH + 1].max()
        for row, column in zip(rows, columns, strict=True)
    ])  # fmt: skip


class Look(NamedTuple):
    """What sees pictures in one size, and what it has seen of some that specks are put on; None where they are new."""

    extract: Extractor
    plain: Features | None = None
    #: which of `plain` they are, where it is not all
    some: npt.NDArray[np.intp] | None = None
    #: brings a picture of the input's size to lie as the others
    lay: Callable[[U8], U8] | None = None

    def see(self, picture: U8) -> Features:
        """Look at a picture in full size."""
        small = shrink(picture, self.extract.size)
        return lean(self.extract([self.lay(small) if self.lay else small]))

    def see_plain(self, number: int, picture: U8) -> Features:
        """Look at a picture without specks, unless it was seen before."""
        if self.plain is None:
            return self.see(picture)
        return lean(self.plain).of([number if self.some is None else self.some[number]])


def read_example(example: Example) -> U8:
    """Read a picture in full size."""
    return read_picture(example.path, example.pixel_format)


@one_thread_each()
def try_specks(
    good: Sequence[Example],
    picture: tuple[int, int],
    looks: tuple[Look, Look],
    *,
    seed: int,
    progress: Progress,
    find: Callable[[U8, F32], F32] | None = None,
    read: Callable[[Example], U8] = read_example,
) -> tuple[float, float]:
    """Tell how well specks on good parts are seen with both sizes of the input: areas under the ROC curve.

    `read` gives a picture in full size, and `find` tells where places of one of the usual input's size are, once it was
    laid as the others.
    """
    one_more = count_up(progress, len(good))
    joined = [Joining(2 * len(good)) for _ in looks]
    middles = [speck_middles(picture, number) for number in range(len(good))]

    def see(number: int, example: Example) -> None:
        plain = np.ascontiguousarray(read(example))
        specks = add_specks(plain, number)
        if find:
            middles[number] = find(shrink(specks, looks[0].extract.size), middles[number])
        for look, both in zip(looks, joined, strict=True):
            both.put(number, look.see_plain(number, plain))
            both.put(len(good) + number, look.see(specks))
        one_more()

    # Few at once: in full size all of them could fill the memory.
    side_by_side([partial(see, number, example) for number, example in enumerate(good)])
    for look in looks:
        look.extract.rest()
    usual, larger = (_seen_beside(both.features, middles, seed=seed) for both in joined)
    return usual, larger


def describe(
    trial: Trial,
    picture: tuple[int, int],
    sizes: tuple[tuple[int, int], tuple[int, int]],
    times: tuple[float, float] | None,
    *,
    looks_at_half: bool = False,
) -> Sentence:
    """Say which of both sizes was chosen, why, and what it costs; `looks_at_half`: the chosen model sees half of its
    input, too."""
    usual, larger = map(written_size, sizes)
    longer, longer_said = ("5", "up to 5 times") if sizes[1] == twice(sizes[0]) else ("2", "twice")
    values = {"picture": written_size(picture), "input": larger, "usual": usual}
    of_specks = of_verdicts = ""
    if trial.specks:
        values |= {"usual_auc": f"{trial.specks[0]:.3f}", "auc": f"{trial.specks[1]:.3f}"}
        of_specks = (
            f"specks on good parts are told with a ROC AUC of {values['auc']}, with the usual {usual} with "
            f"{values['usual_auc']}"
        )
    if trial.verdicts:
        values |= {"usual_wrong": f"{trial.verdicts[0]:.1%}", "wrong": f"{trial.verdicts[1]:.1%}"}
        of_verdicts = (
            f"{values['wrong']} of the verdicts on other pictures are expected to be wrong, with the usual {usual} "
            f"{values['usual_wrong']}"
        )
    both = "; ".join(filter(None, (of_specks, of_verdicts)))
    of = "both" if of_specks and of_verdicts else "specks" if of_specks else "verdicts"
    if times:
        values |= {"fast": f"{times[0]:.0f}", "slow": f"{times[1]:.0f}"}
        of_half = ""
        if looks_at_half:
            values["half"] = usual
            of_half = f"; it looks at each picture as {values['half']}, too"
        text = (
            f"an input of {larger} was chosen for pictures of {values['picture']}: with it {both}. Its network takes "
            f"{values['slow']} ms for a picture on this machine instead of {values['fast']} ms; `--quality normal` "
            f"keeps the usual size{of_half}"
        )
        return Sentence(text, f"chosen_{of}", values)
    if trial.is_imprecise:
        key, why = "refused_precision", "with it the wanted precision can't be reached"
    elif trial.verdicts and trial.verdicts[1] > trial.verdicts[0]:
        more = f"more of the verdicts on other pictures are expected to be wrong, {values['wrong']} instead of "
        more += f"{values['usual_wrong']} with the usual {usual}"
        key, why = "refused_worse", f"with it {more}"
        if trial.specks and trial.specks[1] > trial.specks[0]:
            key, why = "refused_though_seen", f"with it {of_specks}, but {more}"
    else:
        key, why = f"refused_{of}", f"with it {both}, which is not enough for {longer_said} the time"
        values["longer"] = longer
    tried = f"an input of {larger} was tried for pictures of {values['picture']} and not taken: "
    return Sentence(tried + why, key, values)


def describe_untried(why: Untried, picture: tuple[int, int], size: tuple[int, int]) -> Sentence:
    """Say why `--quality best` has the input `size`, and none was compared with it."""
    said, values = written_size(size), {"picture": written_size(picture), "input": written_size(size)}
    if why == "masks":
        return Sentence(f"an input of {said}, larger than usual, was taken without a comparison: masks are learned",
                        "untried_masks", values)  # fmt: skip
    reasons: dict[Untried, str] = {
        "size": "a larger one would have no more pixels",
        "many": f"of more than {MOST_PICTURES} pictures none is tried",
        "few": f"it takes {_LEAST_TRIED_ON} different good parts to tell whether more is seen with another",
        "sure": "hardly a verdict on other pictures is expected to be wrong with it",
    }
    if why in ("many", "few"):
        values["count"] = str(MOST_PICTURES if why == "many" else _LEAST_TRIED_ON)
    text = f"the usual input of {said} was kept for pictures of {values['picture']}: {reasons[why]}"
    return Sentence(text, f"untried_{why}", values)
