"""What is done with a part: rules over the answer for its picture. After the guide's chapter on rejecting pictures.

A rule is a row of a table: each condition that it gives has to hold (or one of them, `match = "any"`). The first rule
that holds decides; where none does, the part passes. Without any rule, anomalous is reject and normal is pass.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Literal, NamedTuple, Protocol

import msgspec
from msgspec import Meta

from edge_agent.inference.verdict import Area

Outcome = Literal["pass", "reject", "look"]
_Share = Annotated[float, Meta(ge=0, le=1)]
#: the guide's samples leave this name out when they count; ours never list it as an anomaly
_BACKGROUND = "background"


class Judged(Protocol):
    """An answer: what the client's `detect` gives, or the agent's own verdict."""

    @property
    def is_anomalous(self) -> bool:
        """Whether the score reaches the threshold."""

    @property
    def confidence(self) -> float:
        """0 to 1."""

    @property
    def score(self) -> float:
        """0 to 1."""

    @property
    def areas(self) -> tuple[Area, ...]:
        """The background first, then each label that was found; empty for classification."""


class Rule(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One row: the conditions, and what is done with the part where they hold."""

    outcome: Outcome = "reject"
    #: for which verdicts the rule is there at all
    verdict: Literal["anomalous", "normal", "any"] = "anomalous"
    #: confidence is at least so high
    confidence: _Share | None = None
    #: confidence is below this, for parts at which a person should look
    confidence_below: _Share | None = None
    #: the score is at least so high
    score: _Share | None = None
    #: more than this fraction of the picture is covered by `label`, or by all labels together where none is named
    coverage: _Share | None = None
    label: str = ""
    #: more than so many kinds of anomaly were found
    types: Annotated[int, Meta(ge=0)] | None = None
    match: Literal["all", "any"] = "all"

    def __post_init__(self) -> None:
        if self.label and self.coverage is None:
            raise ValueError(f"label '{self.label}' needs a coverage, such as coverage = 0.01")


class Decision(NamedTuple):
    """What is done with a part, and why, in words."""

    outcome: Outcome
    reason: str


def decide(result: Judged, rules: Sequence[Rule] = ()) -> Decision:
    """Apply rules to an answer; the first that holds decides."""
    kind = "anomalous" if result.is_anomalous else "normal"
    said = f"{kind} with confidence {result.confidence:.2%}"
    if not rules:
        return Decision("reject" if result.is_anomalous else "pass", said)
    for rule in rules:
        if rule.verdict not in (kind, "any"):
            continue
        conditions = _conditions(rule, result)
        holding = [words for holds, words in conditions if holds]
        if len(holding) == len(conditions) or (rule.match == "any" and holding):
            return Decision(rule.outcome, ", ".join((said, *holding)))
    return Decision("pass", f"{said}, no rule holds")


def _conditions(rule: Rule, result: Judged) -> list[tuple[bool, str]]:
    found = [area for area in result.areas if area.label != _BACKGROUND and area is not result.areas[0]]
    conditions = []
    if rule.confidence is not None:
        conditions.append((result.confidence >= rule.confidence, f"confidence at least {rule.confidence:.2%}"))
    if rule.confidence_below is not None:
        conditions.append((result.confidence < rule.confidence_below, f"confidence below {rule.confidence_below:.2%}"))
    if rule.score is not None:
        conditions.append((result.score >= rule.score, f"score {result.score:.4f} at least {rule.score:g}"))
    if rule.coverage is not None:
        covered = sum(area.fraction for area in found if rule.label in ("", area.label))
        what = rule.label or "anomalies"
        conditions.append(
            (covered > rule.coverage, f"{what} {covered:.2%} of the picture, more than {rule.coverage:.2%}")
        )
    if rule.types is not None:
        count = len({area.label for area in found})
        conditions.append((count > rule.types, f"{count} kinds of anomaly, more than {rule.types}"))
    return conditions
