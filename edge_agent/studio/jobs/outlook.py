"""What a training has said of its model: what to expect of it, its hardest pictures, and what would make it better.

`train --json` gives each sentence with its numbers, so that a page can say it in other languages. One for which the
page has no words is shown as it is.
"""

from __future__ import annotations

import contextlib
import re

import msgspec

from edge_agent.studio.jobs.kinds import TRAINING
from edge_agent.studio.jobs.table import Jobs
from edge_agent.studio.store.store import Store


class Advice(msgspec.Struct, frozen=True):
    """A sentence, the key of the words for it ("" where there are none), and what fills them in."""

    text: str
    key: str = ""
    values: dict[str, str] = {}
    #: of further words, behind them
    more: str = ""


class HardPicture(msgspec.Struct, frozen=True):
    """A training picture whose verdict by a model that had not seen it was wrong or not sure; `id` while it is here."""

    file: str
    label: str
    confidence: float
    right: bool
    id: int | None = None


class Outlook(msgspec.Struct, frozen=True):
    """What to expect of a model, as far as its training could tell; intervals are of 95 %."""

    f1: tuple[float, float] | None = None
    #: of good parts, those that will be called anomalous
    false_alarms: tuple[float, float] | None = None
    hardest: list[HardPicture] = []
    #: kinds of anomaly that one picture shows
    seen_once: list[str] = []
    #: what would help most first
    advice: list[Advice] = []
    #: which input was chosen for large pictures, and why; None where none was tried beside the usual one
    resolution: Advice | None = None


class _Hard(msgspec.Struct):
    picture: str
    label: str
    confidence: float
    right: bool


class _Sentence(msgspec.Struct):
    """See edge_agent/building/training/sentence.py."""

    text: str
    key: str = ""
    values: dict[str, str] = {}
    remedy: str = ""


class _Said(msgspec.Struct):
    """What `edge-agent train --json` gives of it."""

    f1: tuple[float, float] | None = None
    false_alarms: tuple[float, float] | None = None
    hardest: list[_Hard] = []
    seen_once: list[str] = []
    advice: list[_Sentence | str] = []  # earlier versions said it without its numbers


def outlook(store: Store, jobs: Jobs, project: str, version: str) -> Outlook:
    """Give what the newest training of a version has said; nothing where it was not trained here."""
    for job in jobs.of_kind(project, TRAINING):
        if job.state != "done" or jobs.about(job.id)["version"] != version:
            continue
        result = jobs.result(job.id)
        with contextlib.suppress(msgspec.ValidationError):  # of a version that said it otherwise
            said = msgspec.convert(result.get("outlook") if isinstance(result, dict) else None, _Said)
            hardest = [_hard(store, project, hard) for hard in said.hardest]
            advice = [_advice(sentence) for sentence in said.advice]
            resolution = result.get("resolution") if isinstance(result, dict) else None
            chosen = read_resolution(resolution) if isinstance(resolution, str) else None
            return Outlook(said.f1, said.false_alarms, hardest, said.seen_once, advice, chosen)
    return Outlook()


def _hard(store: Store, project: str, hard: _Hard) -> HardPicture:
    file = hard.picture.rpartition("/")[2]
    number = store.pictures.number_of(project, file)
    return HardPicture(file, hard.label, hard.confidence, hard.right, number)


def _advice(sentence: _Sentence | str) -> Advice:
    if isinstance(sentence, str):
        return Advice(sentence)
    more = f"advice.{sentence.remedy}" if sentence.remedy else ""
    return Advice(sentence.text, f"advice.{sentence.key}", sentence.values, more)


def read_resolution(text: str) -> Advice:
    """Take the numbers of the sentence of edge_agent/building/training/resolution.py."""
    for key, pattern in _RESOLUTIONS.items():
        if match := re.fullmatch(pattern, text):
            return Advice(text, f"resolution.{key}", match.groupdict())
    return Advice(text)


_TRIED = r"an input of (?P<input>\d+x\d+) was (chosen|tried) for pictures of (?P<picture>\d+x\d+)"
_WHY = {
    "specks": r": with it specks on good parts are told with a ROC AUC of (?P<more>[\d.]+), with the usual "
    r"(?P<usual>\d+x\d+) with (?P<less>\d\.\d+)",
    "verdicts": r": with it (?P<more>[\d.]+%) of the verdicts on other pictures are expected to be wrong, with the "
    r"usual (?P<usual>\d+x\d+) (?P<less>[\d.]+%)",
}
_PRICE = r"\. Its network takes (?P<slow>\d+) ms .* instead of (?P<fast>\d+) ms; .*"
_RESOLUTIONS = {f"chosen_{of}": _TRIED + why + _PRICE for of, why in _WHY.items()} | {
    f"refused_{of}": _TRIED + " and not taken" + why for of, why in _WHY.items()
}
