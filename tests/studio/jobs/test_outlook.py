"""What a training has said is found, and known: a page can say it in other languages, with every number in it."""

from __future__ import annotations

import contextlib
import itertools
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Literal

import msgspec
import pytest
from PIL import Image

from edge_agent.building.training.advice import advise
from edge_agent.building.training.resolution import Trial, describe
from edge_agent.building.training.sentence import Sentence
from edge_agent.studio.jobs.kinds import TRAINING
from edge_agent.studio.jobs.outlook import Advice, Outlook, outlook, read_resolution
from edge_agent.studio.jobs.process import RESULT
from edge_agent.studio.jobs.table import Jobs, State
from edge_agent.studio.pages.words import words
from edge_agent.studio.store.store import Store
from tests.building.training.test_advice import LARGE, NORMAL, held, view


def _said() -> Iterator[Sentence]:
    """Give every sentence that `advise` has for some trainings."""
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
    for one, seen in itertools.product(helds, views):
        yield from advise(one, (), None, None, seen)
    for once, nearer, curve in rest:
        yield from advise(helds[0], once, nearer, curve, None)


def _rendered(text: str, values: Mapping[str, str]) -> str:
    return re.sub(r"\{(\w+)\}", lambda place: values[place[1]], text)


def test_a_page_has_words_for_every_sentence_with_every_number() -> None:
    english = words("en")
    used = set()
    for text, key, values, remedy in _said():
        used |= {f"advice.{key}", f"advice.{remedy}"} if remedy else {f"advice.{key}"}
        said = _rendered(english[f"advice.{key}"], values)
        told = text.partition(" train with ")[0]  # what to train with has another name in the studio
        assert not set(re.findall(r"\d+(?:\.\d+)?", told)) - set(re.findall(r"\d+(?:\.\d+)?", said)), (text, said)
    assert used == {key for key in english if key.startswith("advice.")}


@pytest.mark.parametrize("times", [(12.4, 51.0), None])
@pytest.mark.parametrize(("of", "said"), [("specks", ("0.871", "0.962")), ("verdicts", ("87.1%", "96.2%"))])
def test_what_is_said_of_a_larger_input_is_known_and_keeps_its_numbers(
    times: tuple[float, float] | None, of: Literal["specks", "verdicts"], said: tuple[str, str]
) -> None:
    trial = Trial(0.871, 0.962, of, is_better=times is not None)
    text = describe(trial, (1600, 1200), ((384, 288), (768, 576)), times)
    read = read_resolution(text)
    assert read.key == f"resolution.{'chosen' if times else 'refused'}_{of}"
    assert read.values | {"input": "768x576", "picture": "1600x1200", "usual": "384x288"} == read.values
    assert (read.values["less"], read.values["more"]) == said
    if times:
        assert (read.values["fast"], read.values["slow"]) == ("12", "51")
    assert "{" not in _rendered(words("en")[read.key], read.values)


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with contextlib.closing(Store(tmp_path / "data")) as found:
        found.projects.create("part")
        yield found


def _trained(store: Store, version: str, f1: float, hardest: list[str], state: State = "done") -> None:
    jobs = Jobs(store)
    number = jobs.prepare("part", TRAINING, f"part {version}", version=version)
    hard = [{"picture": name, "label": "normal", "confidence": 0.6, "right": False} for name in hardest]
    said = {"outlook": {"f1": [f1, 1.0], "hardest": hard}}
    (jobs.folder(number) / RESULT).write_bytes(msgspec.json.encode(said))
    jobs.set(number, state)


def test_a_version_is_what_its_newest_training_has_said_however_many_came_after(store: Store) -> None:
    _trained(store, "1.0.0", 0.5, [])
    _trained(store, "1.0.0", 0.6, [])
    _trained(store, "1.0.0", 0.7, [], "failed")
    for patch in range(1, 103):
        _trained(store, f"1.0.{patch}", 0.8, [])
    assert outlook(store, Jobs(store), "part", "1.0.0").f1 == (0.6, 1.0)
    assert outlook(store, Jobs(store), "part", "1.0.102").f1 == (0.8, 1.0)
    assert outlook(store, Jobs(store), "part", "2.0.0") == Outlook()


def test_a_hardest_picture_is_found_among_many_with_its_name_in_theirs(store: Store, tmp_path: Path) -> None:
    for shade, name in enumerate((*(f"a{number}-x1.png" for number in range(101)), "x1.png")):
        Image.new("RGB", (64, 64), (shade, 9, 9)).save(tmp_path / "received", "PNG")
        added = store.pictures.add("part", name, tmp_path / "received")
    _trained(store, "1.0.0", 0.5, ["somewhere/x1.png", "1.png"])
    found = outlook(store, Jobs(store), "part", "1.0.0").hardest
    assert [(hard.file, hard.id) for hard in found] == [("x1.png", added.id), ("1.png", None)]


def test_advice_comes_with_the_names_of_its_words_and_that_of_earlier_versions_as_it_was(store: Store) -> None:
    now = Sentence("cut the pictures", "small", {"least": "17"}, "tiles")
    jobs = Jobs(store)
    number = jobs.prepare("part", TRAINING, "part 1.0.0", version="1.0.0")
    said = {"outlook": {"f1": None, "advice": [now.named(), "paint it blue"]}}
    (jobs.folder(number) / RESULT).write_bytes(msgspec.json.encode(said))
    jobs.set(number, "done")
    assert outlook(store, jobs, "part", "1.0.0").advice == [
        Advice("cut the pictures", "advice.small", {"least": "17"}, "advice.tiles"),
        Advice("paint it blue"),
    ]
