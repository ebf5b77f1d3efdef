"""What a training has said of its model: what to expect of it, its hardest pictures, and what would make it better.

`train --json` gives each sentence with its numbers, so that a page can say it in other languages. One for which the
page has no words is shown as it is.
"""

from __future__ import annotations

import contextlib

import msgspec

from edge_agent.studio.jobs.kinds import TRAINING
from edge_agent.studio.jobs.table import Jobs
from edge_agent.studio.store.store import Store


class Advice(msgspec.Struct, frozen=True):
    """A sentence, the key of the words for it ("" where there are none), and what fills them in."""

    text: str
    key: str = ""
    values: dict[str, str] = {}
    #: the key of further words, behind them
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
    #: how parts lie, and that pictures are turned and shifted for it, or why not; None where parts lie alike
    registration: Advice | None = None


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
    """Its `outlook`."""

    f1: tuple[float, float] | None = None
    false_alarms: tuple[float, float] | None = None
    hardest: list[_Hard] = []
    seen_once: list[str] = []
    advice: list[_Sentence | str] = []  # earlier versions said it without its numbers


class _Result(msgspec.Struct):
    """What `edge-agent train --json` gives, as far as a version's page shows it."""

    outlook: _Said
    resolution: _Sentence | str | None = None  # likewise
    registration: _Sentence | None = None


def outlook(store: Store, jobs: Jobs, project: str, version: str) -> Outlook:
    """Give what the newest training of a version has said; nothing where it was not trained here."""
    for job in jobs.of_kind(project, TRAINING):
        if job.state != "done" or jobs.about(job.id)["version"] != version:
            continue
        with contextlib.suppress(msgspec.ValidationError):  # of a version that said it otherwise
            result = msgspec.convert(jobs.result(job.id), _Result)
            said = result.outlook
            hardest = [_hard(store, project, hard) for hard in said.hardest]
            advice = [_words(sentence, "advice") for sentence in said.advice]
            chosen = _words(result.resolution, "resolution") if result.resolution else None
            lie = _words(result.registration, "registration") if result.registration else None
            return Outlook(said.f1, said.false_alarms, hardest, said.seen_once, advice, chosen, lie)
    return Outlook()


def _hard(store: Store, project: str, hard: _Hard) -> HardPicture:
    file = hard.picture.rpartition("/")[2]
    number = store.pictures.number_of(project, file)
    return HardPicture(file, hard.label, hard.confidence, hard.right, number)


def _words(sentence: _Sentence | str, group: str) -> Advice:
    if isinstance(sentence, str):
        return Advice(sentence)
    return Advice(sentence.text, f"{group}.{sentence.key}", sentence.values, _more(sentence, group))


def _more(sentence: _Sentence, group: str) -> str:
    """Name the words that follow: what some trainings tell and others, or those of earlier versions, don't."""
    if sentence.remedy:
        return f"{group}.{sentence.remedy}"
    if longer := sentence.values.get("longer"):
        return f"{group}.longer_{longer}"
    return f"{group}.half" if "half" in sentence.values else ""
