"""The sentences of a training are known, so that a page can say them in other languages, with every number in them."""

from __future__ import annotations

import itertools
import re

from edge_agent.building.training.advice import advise
from edge_agent.studio.jobs.outlook import Advice, read_advice
from edge_agent.studio.pages.words import words
from tests.building.training.test_advice import LARGE, NORMAL, held, view


def _said() -> set[str]:
    """Every sentence that `advise` has for some trainings."""
    views = [None, view(NORMAL), view(LARGE), view(LARGE, 12 * 12), view((4000, 3000), 9 * 9)]
    views += [one._replace(input=(992, 736)) for one in views[2:] if one]
    views += [one._replace(refused=True) for one in views[2:5] if one]
    helds = [
        held(normals, anomalies, missed=missed, alarms=alarms, roc_auc=roc_auc)
        for normals, anomalies in ((20, 10), (40, 2), (300, 40), (8, 0), (400, 400))
        for missed in {0, min(1, anomalies), min(5, anomalies)}
        for alarms in (0, 1, 4)
        for roc_auc in (0.9, 1.0)
    ]
    rest = itertools.product(((), ("dent",), ("a, b", "scratch")), (None, 0.01, 0.25), (None, (0.7, 0.9), (0.9, 0.91)))
    return {text for one in helds for seen in views for text in advise(one, (), None, None, seen)} | {
        text for once, nearer, curve in rest for text in advise(helds[0], once, nearer, curve, None)
    }


def _english(advice: Advice) -> str:
    said = words("en")
    text = re.sub(r"\{(\w+)\}", lambda place: advice.values[place[1]], said[advice.key])
    return f"{text} {said[advice.more]}" if advice.more else text


def test_every_sentence_is_known_and_keeps_its_numbers() -> None:
    read = [read_advice(text) for text in _said()]
    assert not [advice.text for advice in read if not advice.key]
    used = {advice.key for advice in read} | {advice.more for advice in read if advice.more}
    assert used == {key for key in words("en") if key.startswith("advice.")}
    for advice in read:
        told = advice.text.replace("0.05", "").split(" train with ")[
            0
        ]  # what to train with has another name in the studio
        numbers = re.findall(r"\d+(?:\.\d+)?", told)
        rendered = re.findall(r"\d+(?:\.\d+)?", _english(advice))
        assert not set(numbers) - set(rendered), (advice.text, _english(advice))
        assert "{" not in _english(advice)


def test_a_sentence_of_another_version_is_shown_as_it_is() -> None:
    assert read_advice("paint it blue") == Advice("paint it blue")
