"""Rules: the guide's three, combinations, and three outcomes."""

from __future__ import annotations

import msgspec
import pytest

from edge_agent import Area, Detection, Rule, decide


def _found(*areas: tuple[str, float], confidence: float = 0.9, anomalous: bool = True) -> Detection:
    rest = 1 - sum(fraction for _, fraction in areas)
    listed = (Area("background", "#FFFFFF", rest), *(Area(label, "#112233", fraction) for label, fraction in areas))
    return Detection(anomalous, confidence, confidence if anomalous else 1 - confidence, 0.5, listed, None)


SCRATCH, BOTH = _found(("scratch", 0.02)), _found(("scratch", 0.02), ("dent", 0.01))
NORMAL = _found(anomalous=False)


@pytest.mark.parametrize(
    ("result", "rules", "outcome"),
    [
        (SCRATCH, [], "reject"),
        (NORMAL, [], "pass"),
        (SCRATCH, [Rule(confidence=0.9)], "reject"),  # equal is enough
        (SCRATCH, [Rule(confidence=0.91)], "pass"),
        (NORMAL, [Rule(confidence=0.5)], "pass"),  # sure that it is normal is no reason to reject it
        (SCRATCH, [Rule(confidence=0.8, label="scratch", coverage=0.01)], "reject"),
        (SCRATCH, [Rule(label="scratch", coverage=0.02)], "pass"),  # equal is not more
        (SCRATCH, [Rule(label="dent", coverage=0.001)], "pass"),
        (BOTH, [Rule(coverage=0.025)], "reject"),
        (BOTH, [Rule(types=1)], "reject"),
        (BOTH, [Rule(types=2)], "pass"),
        (SCRATCH, [Rule(types=0)], "reject"),  # the background is not a kind of anomaly
        (SCRATCH, [Rule(types=1, coverage=0.01)], "pass"),
        (SCRATCH, [Rule(types=1, coverage=0.01, match="any")], "reject"),
        (SCRATCH, [Rule(confidence_below=0.95, outcome="look"), Rule()], "look"),
        (SCRATCH, [Rule(confidence_below=0.6, outcome="look"), Rule()], "reject"),
        (NORMAL, [Rule(score=0.05, verdict="any", outcome="look")], "look"),
        (NORMAL, [Rule(score=0.2, verdict="any", outcome="look")], "pass"),
        (NORMAL, [Rule(verdict="normal", outcome="look")], "look"),
        (Detection(True, 0.9, 0.9, 0.5, (), None), [Rule(types=0), Rule(coverage=0.0)], "pass"),  # classification
    ],
)
def test_the_first_rule_that_holds_decides(result: Detection, rules: list[Rule], outcome: str) -> None:
    assert decide(result, rules).outcome == outcome


def test_the_reason_names_value_and_limit() -> None:
    decision = decide(SCRATCH, [Rule(confidence=0.8, label="scratch", coverage=0.01)])
    assert decision.reason == (
        "anomalous with confidence 90.00%, confidence at least 80.00%, scratch 2.00% of the picture, more than 1.00%"
    )
    assert decide(SCRATCH, [Rule(types=3)]).reason == "anomalous with confidence 90.00%, no rule holds"


@pytest.mark.parametrize("wrong", [{"confidence": 2.0}, {"outcome": "drop"}, {"label": "x"}, {"types": -1}, {"x": 1}])
def test_a_rule_that_can_not_be_right_is_refused(wrong: dict[str, object]) -> None:
    with pytest.raises(msgspec.ValidationError):
        msgspec.convert(wrong, Rule)
