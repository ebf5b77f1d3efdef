"""Is it worth to bring parts to lie alike? Where they could be, both is tried on them, and the data decide.

That good parts look alike once they are registered does not yet say that more is seen on them. To turn a picture
softens it, cuts off what was in a corner, and turns the light with the part: a disc of many teeth looks much the same
at any angle, and may only lose by it. Specks that are put on good parts as the camera gives them tell what is seen
better; with anomalies, the verdicts that are expected to be wrong tell whether it matters. Parts that lie alike but for
a few pixels are just laid closer: that softens little, cuts nothing off, and turns no light.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from edge_agent.building.counting import Progress, count_up
from edge_agent.building.datasets.checks.report import Report
from edge_agent.building.datasets.dataset import ANOMALY
from edge_agent.building.datasets.reading import Datasets
from edge_agent.building.training.cores import one_thread_each, side_by_side
from edge_agent.building.training.drawn import chosen_evenly
from edge_agent.building.training.features import F32, Extractor, Features, join, source_model
from edge_agent.building.training.fitting import Fitted, fit
from edge_agent.building.training.head import Head
from edge_agent.building.training.options import Options, Steps
from edge_agent.building.training.place_bank import lean
from edge_agent.building.training.registration import Registrar, Registration, lay_all_alike, registration_of
from edge_agent.building.training.registration_search import laid_places
from edge_agent.building.training.resolution import (
    ENOUGH_ANOMALIES,
    MOST_PICTURES,
    TRIED_ON,
    add_specks,
    has_something_to_gain,
    read_example,
    share_wrong,
    speck_middles,
    specks_seen,
    without_copies,
)
from edge_agent.building.training.sentence import Sentence
from edge_agent.building.training.shrinking import shrink
from edge_agent.errors import TrainingError
from edge_agent.inference.imaging.resize import U8

#: registered, specks may lack so many times of what they lack of an area of 1 as parts lie: areas of a few specks vary
_AS_GOOD = 1.25
#: and must keep so much of what they have beyond the area of chance: where little is seen either way, all of it is lost
#: before an area lacks much more
_KEPT, _CHANCE = 0.8, 0.5

_LEARNED_TWICE = (
    "parts do not lie alike, and anomalies enough tell whether they should: the verdict is learned both ways"
)


class Worth(NamedTuple):
    """What was found with pictures as they lie, and registered: areas under the ROC curve of specks on good parts, and
    shares of the verdicts that are expected to be wrong, None where the anomalies are too few to tell."""

    specks: tuple[float, float]
    wrong: tuple[float, float] | None = None

    @property
    def is_seen(self) -> bool:
        """Whether specks are seen as well once parts are registered."""
        before, after = self.specks
        # Of an area near 1 one pair of scores is more than its share.
        if not has_something_to_gain(after):
            return True
        return 1 - after <= _AS_GOOD * (1 - before) and after - _CHANCE >= _KEPT * max(0.0, before - _CHANCE)

    @property
    def is_worth_it(self) -> bool:
        """Whether nothing that was found speaks against it."""
        if not self.is_seen or self.wrong is None:
            return self.is_seen
        before, after = (round(100 * share, 1) for share in self.wrong)  # what can't be told apart in print is alike
        return after <= before

    def weigh(self, usual: Head, registered: Head, anomalous: npt.NDArray[np.bool_]) -> Worth:
        """Ask the anomalies, too."""
        before, after = (share_wrong(head, anomalous) for head in (usual, registered))
        return self if before is None or after is None else self._replace(wrong=(before, after))


class _Some(NamedTuple):
    """Some of the training pictures, with what is known of them."""

    datasets: Datasets
    pictures: list[U8]
    report: Report

    def of(self, chosen: npt.NDArray[np.intp]) -> _Some:
        """Take some of these."""
        examples = self.datasets.train.labelled
        train = self.datasets.train._replace(examples=tuple(examples[i] for i in chosen))
        seen = tuple(self.report.seen[i] for i in chosen)
        return _Some(
            self.datasets._replace(train=train), [self.pictures[i] for i in chosen], self.report._replace(seen=seen)
        )


def fit_usual(
    datasets: Datasets,
    pictures: list[U8],
    size: tuple[int, int],
    options: Options,
    steps: Steps,
    report: Report,
    *,
    segmentation: bool,
    closely: bool = False,
) -> tuple[Fitted, Sentence | None]:
    """Fit the verdict of training pictures of the usual input's size; where they could be brought to lie alike, and no
    masks are learned, both ways as far as that is needed to choose. Say why, where they are not. `closely`: defects may
    be small, so that parts which lie alike are brought to lie closer where they could; nothing is said where that is
    not done.

    Raises:
        TrainingError: the wanted precision can't be reached either way.
    """

    everything = _Some(datasets, pictures, report)

    def fitted(some: _Some, steps: Steps, registration: Registration | None = None) -> Fitted:
        lying = some.pictures
        if registration:
            with steps.bar("laying parts alike") as progress:
                lying = lay_all_alike(registration, size, lying, progress)
        return fit(
            some.datasets, lying, size, options, steps, some.report, segmentation=segmentation,
            registration=registration,
        )  # fmt: skip

    examples = datasets.train.labelled
    anomalous = np.array([example.label == ANOMALY for example in examples])
    # Beside a copy of its picture a speck would be seen better than on a part that is new.
    good = without_copies(~anomalous, [seen.digest for seen in report.seen[: len(examples)]])
    with steps.bar("looking how parts lie") as progress:
        registration = registration_of(pictures, good, progress, closely=closely)
    if registration is None or segmentation:
        # What masks are learned with lies as the picture does.
        return fitted(everything, steps), registration and describe_masks(registration)
    as_they_lie, laid_alike = steps.of("parts as they lie"), steps.of("parts laid alike")
    if registration.lie_alike:
        return _first_of(
            partial(fitted, everything, laid_alike, registration), partial(fitted, everything, as_they_lie)
        ), None
    chosen = choose_good(good)
    with steps.bar("trying parts laid alike") as progress:
        specks = try_registered(
            [partial(read_example, examples[i]) for i in chosen],
            Extractor(*size, source_model(*size)),
            registration,
            seed=options.seed,
            progress=progress,
        )
    worth, tells = Worth(specks), can_tell(anomalous)
    if worth.is_seen and tells:
        steps.note(_LEARNED_TWICE)
        if len(examples) > MOST_PICTURES:
            # What was seen of all of them, twice, could fill the memory.
            few = choose_some(anomalous)
            some, tells = everything.of(few), False
            try:
                usual_head, registered_head = (
                    fitted(some, as_they_lie.of("some of them")).head,
                    fitted(some, laid_alike.of("some of them"), registration).head,
                )
                worth = worth.weigh(usual_head, registered_head, anomalous[few])
            except TrainingError:
                pass  # with all pictures the wanted precision may be reached
    registered, is_imprecise = None, False
    if worth.is_worth_it:
        try:
            registered = fitted(everything, laid_alike, registration)
        except TrainingError:
            is_imprecise = True
    if registered and not tells:
        return registered, None
    try:
        usual = fitted(everything, as_they_lie)
    except TrainingError:
        if registered:
            return registered, None
        raise
    if registered:
        worth = worth.weigh(usual.head, registered.head, anomalous)
        if worth.is_worth_it:
            return registered, None
    return usual, describe_refusal(worth, is_imprecise=is_imprecise)


def _first_of(fit_it: Callable[[], Fitted], fit_another: Callable[[], Fitted]) -> Fitted:
    """Give the first of two fits with which the wanted precision is reached."""
    try:
        return fit_it()
    except TrainingError:
        return fit_another()


def can_tell(anomalous: npt.NDArray[np.bool_]) -> bool:
    """Tell whether there are so many anomalies that verdicts are worth comparing."""
    return int(anomalous.sum()) >= ENOUGH_ANOMALIES


def choose_some(anomalous: npt.NDArray[np.bool_]) -> npt.NDArray[np.intp]:
    """Choose, of more than MOST_PICTURES, as many that tell which way is better: of each kind evenly its share, and
    anomalies enough."""
    bad = max(ENOUGH_ANOMALIES, round(MOST_PICTURES * float(anomalous.mean())))
    of_bad = chosen_evenly(anomalous, min(bad, MOST_PICTURES // 2))
    return np.sort(np.concatenate([of_bad, chosen_evenly(~anomalous, MOST_PICTURES - len(of_bad))]))


def choose_good(good: npt.NDArray[np.bool_]) -> npt.NDArray[np.intp]:
    """Choose those of the `good` parts that specks are put on."""
    return chosen_evenly(good, TRIED_ON)


@one_thread_each()
def try_registered(
    pictures: Sequence[Callable[[], U8]],
    extract: Extractor,
    registration: Registration,
    *,
    seed: int,
    progress: Progress,
) -> tuple[float, float]:
    """Tell how well specks on good parts are seen as they lie, and registered: areas under the ROC curve.

    `pictures` read those in full size; none may be a copy of another.
    """
    lay, one_more = Registrar(registration.search, *extract.size), count_up(progress, len(pictures))

    def look(number: int, read: Callable[[], U8]) -> tuple[list[Features], tuple[F32, F32]]:
        picture = np.ascontiguousarray(read())
        plain, specks = (shrink(of, extract.size) for of in (picture, add_specks(picture, number)))
        middles = speck_middles((picture.shape[1], picture.shape[0]), number)
        found = [lean(extract([of])) for of in (plain, specks, lay(plain), lay(specks))]
        one_more()
        return found, (middles, laid_places(registration.search, specks, middles))

    seen = side_by_side([partial(look, number, read) for number, read in enumerate(pictures)])
    plain, specks, laid, laid_specks = (join(of) for of in zip(*(found for found, _ in seen), strict=True))
    return (
        specks_seen(plain, specks, [before for _, (before, _) in seen], seed=seed),
        specks_seen(laid, laid_specks, [after for _, (_, after) in seen], seed=seed),
    )


def describe_masks(registration: Registration) -> Sentence:
    """Say why parts are judged as they lie where masks are learned."""
    values = {"alike": f"{registration.registered:.2f}", "before": f"{registration.as_they_lie:.2f}"}
    return Sentence(
        "parts do not lie alike: turned and shifted, good ones would look alike with a correlation of "
        f"{values['alike']} instead of {values['before']}; that is not done where masks are learned, but may be with "
        "--task classification and with --locate",
        "refused_masks",
        values,
    )


def describe_refusal(worth: Worth, *, is_imprecise: bool) -> Sentence:
    """Say why parts are judged as they lie, though they could be brought to lie alike; `is_imprecise`: the wanted
    precision can't be reached then."""
    values: dict[str, str] = {}
    if is_imprecise:
        key, why = "refused_precision", "the wanted precision can't be reached"
    elif worth.is_seen and worth.wrong:
        key, values = "refused_verdicts", {"usual_wrong": f"{worth.wrong[0]:.1%}", "wrong": f"{worth.wrong[1]:.1%}"}
        why = f"{values['wrong']} instead of {values['usual_wrong']} of the verdicts would be expected to be wrong"
    else:
        key, values = "refused_specks", {"usual_auc": f"{worth.specks[0]:.3f}", "auc": f"{worth.specks[1]:.3f}"}
        why = f"specks on good parts would be told with a ROC AUC of {values['auc']} instead of {values['usual_auc']}"
    text = f"parts do not lie alike, and could be turned and shifted to; they are judged as they lie, since else {why}"
    return Sentence(text, key, values)
