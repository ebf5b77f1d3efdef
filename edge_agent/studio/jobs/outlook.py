"""What a training has said of its model: what to expect of it, its hardest pictures, and what would make it better.

`train` says it in English sentences, of which the numbers are taken here, so that a page can say it in other languages.
A sentence that is not known is shown as it is.
"""

from __future__ import annotations

import contextlib
import re

import msgspec

from edge_agent.studio.jobs.kinds import TRAINING
from edge_agent.studio.jobs.table import Jobs
from edge_agent.studio.store.store import Store


class Advice(msgspec.Struct, frozen=True):
    """A sentence on what would help: the key of the words for it ("" where it is not known), and what fills them in."""

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


class _Said(msgspec.Struct):
    """What `edge-agent train --json` gives of it."""

    f1: tuple[float, float] | None = None
    false_alarms: tuple[float, float] | None = None
    hardest: list[_Hard] = []
    seen_once: list[str] = []
    advice: list[str] = []


def outlook(store: Store, jobs: Jobs, project: str, version: str) -> Outlook:
    """Give what the newest training of a version has said; nothing where it was not trained here."""
    for job in jobs.of_kind(project, TRAINING):
        if job.state != "done" or jobs.about(job.id)["version"] != version:
            continue
        result = jobs.result(job.id)
        with contextlib.suppress(msgspec.ValidationError):  # of a version that said it otherwise
            said = msgspec.convert(result.get("outlook") if isinstance(result, dict) else None, _Said)
            hardest = [_hard(store, project, hard) for hard in said.hardest]
            advice = [read_advice(text) for text in said.advice]
            resolution = result.get("resolution") if isinstance(result, dict) else None
            chosen = read_resolution(resolution) if isinstance(resolution, str) else None
            return Outlook(said.f1, said.false_alarms, hardest, said.seen_once, advice, chosen)
    return Outlook()


def _hard(store: Store, project: str, hard: _Hard) -> HardPicture:
    file = hard.picture.rpartition("/")[2]
    number = store.pictures.number_of(project, file)
    return HardPicture(file, hard.label, hard.confidence, hard.right, number)


def read_advice(text: str) -> Advice:
    """Take the numbers of a sentence of edge_agent/building/training/advice.py."""
    for key, pattern in _SENTENCES.items():
        if match := re.fullmatch(pattern, text):
            values = match.groupdict()
            remedy = values.pop("remedy", None)
            return Advice(text, f"advice.{key}", values, "" if remedy is None else _remedy(remedy))
    return Advice(text)


def read_resolution(text: str) -> Advice:
    """Take the numbers of the sentence of edge_agent/building/training/resolution.py."""
    for key, pattern in _RESOLUTIONS.items():
        if match := re.fullmatch(pattern, text):
            return Advice(text, f"resolution.{key}", match.groupdict())
    return Advice(text)


def _remedy(text: str) -> str:
    if "a larger input was tried" in text:
        return "advice.tiles"
    return "advice.larger" if "`--quality best`" in text else "advice.largest"


_SEEN = r"pictures of (?P<picture>\d+x\d+) are seen as (?P<input>\d+x\d+): "
_CURVE = r"with half of these pictures its F1 was (?P<half>[\d.]+), with nearly all of them (?P<whole>[\d.]+): "
_EXACT = r"to know its F1 to within (?P<within>[\d.]+) takes "
_SENTENCES = {
    "small_marked": _SEEN + r"the picture with the least marked has about (?P<least>\d+x\d+) pixels of it, "
    r"(?P<seen>[\d.]+) of the model's a side, and less than (?P<enough>\d+) are hard to see; (?P<remedy>.*)",
    "small": _SEEN
    + r"defects of less than about (?P<least>\d+) pixels are hard to see; where yours are, (?P<remedy>.*)",
    "none": r"no picture shows what has to be found: .*, (?P<enough>\d+) say how good it is",
    "few": r"(?P<wanted>\d+) more anomalous pictures, of each kind that occurs: with (?P<anomalies>\d+) it is not .*",
    "missed": r"(?P<missed>\d+) of (?P<anomalies>\d+) anomalies (was|were) missed: .*",
    "alarms": r"(?P<alarms>\d+) of (?P<normals>\d+) normal pictures (was|were) called anomalous: .*",
    "once": r"one picture only shows (?P<kinds>.+): it was judged by models that knew none of its kind; .*",
    "surprised": r"good parts still surprise it: they lay (?P<nearer>\d+%) nearer .* nearly all "
    r"(?P<normals>\d+) normal pictures .*",
    "learns": _CURVE + r"it still learns from each; as many again \((?P<normals>\d+) normal, (?P<anomalies>\d+) .*",
    "little": _CURVE + r"as many again of the same will change little",
    "exact": _EXACT + r"about (?P<normals>\d+) normal and (?P<anomalies>\d+) .*",
    "exact_many": _EXACT + r"more than (?P<normals>\d+) normal and (?P<anomalies>\d+) .*",
}  # fmt: skip

_RANKS = r"it ranks .* with a ROC AUC of (?P<more>[\d.]+), the usual (?P<usual>\d+x\d+) with (?P<less>\d\.\d+)"
_RESOLUTIONS = {
    "chosen": r"an input of (?P<input>\d+x\d+) was chosen for pictures of (?P<picture>\d+x\d+): " + _RANKS
    + r"\. Its network takes (?P<slow>\d+) ms .* instead of (?P<fast>\d+) ms; .*",
    "refused": r"an input of (?P<input>\d+x\d+) was tried for pictures of (?P<picture>\d+x\d+) and not taken: "
    + _RANKS,
}  # fmt: skip
