"""What a training has said is found, and known: a page can say it in other languages, with every number in it."""

from __future__ import annotations

import contextlib
import itertools
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import get_args

import msgspec
import numpy as np
import pytest
from PIL import Image

from edge_agent import cli
from edge_agent.building import training
from edge_agent.building.training.advice import View, advise
from edge_agent.building.training.registration import Registration, registration_of
from edge_agent.building.training.registration import describe as lies
from edge_agent.building.training.registration_choice import Worth, describe_masks, describe_refusal
from edge_agent.building.training.resolution import Trial, Untried, describe, describe_untried
from edge_agent.building.training.sentence import Sentence
from edge_agent.studio.jobs.kinds import TRAINING
from edge_agent.studio.jobs.outlook import Advice, Outlook, _Sentence, _words, outlook
from edge_agent.studio.jobs.process import RESULT
from edge_agent.studio.jobs.table import Jobs, State
from edge_agent.studio.pages.words import words
from edge_agent.studio.store.store import Store
from tests.building.training.test_advice import LARGE, NORMAL, held, view
from tests.support.turned import SIDE, draw_many

#: commands whose progress the page with the models shows
_TELLING = ("datasets", "evaluate")


def _said() -> Iterator[Sentence]:
    """Give every sentence that `advise` has for some trainings."""
    views = [None, view(NORMAL), view(LARGE), view(LARGE, 12 * 12), view((4000, 3000), 9 * 9)]
    views += [one._replace(input=(992, 736)) for one in views[2:] if one]
    views += [one._replace(tried="refused") for one in views[2:5] if one]
    views += [view(LARGE)._replace(quality="normal"), View((2448, 700), (576, 160))]
    helds = [
        held(normals, anomalies, missed=missed, alarms=alarms, roc_auc=roc_auc)
        for normals, anomalies in ((20, 10), (40, 2), (300, 40), (8, 0), (400, 400))
        for missed in {0, min(1, anomalies), min(5, anomalies)}
        for alarms in (0, 1, 4)
        for roc_auc in (0.9, 1.0)
    ]
    rest = itertools.product(((), ("dent",), ("a, b", "scratch")), (None, 0.01, 0.25), (None, (0.7, 0.9), (0.9, 0.91)))
    for one in helds:
        yield from advise(one, (), None, None, views[0])
    # What is said of a view depends on the area that verdicts have alone, and nothing else on the view.
    for area, seen in itertools.product((0.9, 1.0), views):
        yield from advise(held(roc_auc=area), (), None, None, seen)
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


def _tried() -> Iterator[Sentence]:
    """Give every sentence of a larger input that was tried."""
    seen, wrong, better, worse = (0.871, 0.962), None, (0.043, 0.021), (0.021, 0.043)
    for specks, verdicts in itertools.product((None, seen), (wrong, better, worse)):
        for is_better, times in ((True, (12.4, 51.0)), (False, None)):
            if specks or verdicts:
                yield describe(Trial(is_better, specks, verdicts), (1600, 1200), ((384, 288), (768, 576)), times)
        yield describe(Trial(False, specks, (0.03, 0.025)), (640, 480), ((384, 288), (512, 384)), None)
    yield describe(Trial(True, seen), (1600, 1200), ((384, 288), (768, 576)), (12.4, 51.0), looks_at_half=True)
    yield describe(Trial(False, seen, is_imprecise=True), (1600, 1200), ((384, 288), (768, 576)), None)
    for why in get_args(Untried):
        yield describe_untried(why, (640, 480), (384, 288))


@pytest.mark.parametrize("language", ["en", "de", "zh"])
def test_a_page_has_words_for_what_is_said_of_a_larger_input_with_every_number(language: str) -> None:
    known = words(language)
    used = set()
    for sentence in _tried():
        told = _words(msgspec.convert(sentence.named(), _Sentence), "resolution")
        used |= {told.key, told.more} - {""}
        text, said = sentence.text, " ".join(_rendered(known[key], told.values) for key in (told.key, told.more) if key)
        assert set(re.findall(r"\d+(?:\.\d+)?", text)) == set(re.findall(r"\d+(?:\.\d+)?", said)), (text, said)
    assert used == {key for key in known if key.startswith("resolution.")}


@pytest.fixture(scope="module")
def registrations() -> list[Registration]:
    """Of parts at any angle, and of such that lie a little elsewhere."""
    found = []
    for angle, shift in ((180, 6), (8, 8)):
        pictures = draw_many(12, angle, shift)
        registration = registration_of(pictures, np.ones(len(pictures), bool))
        assert registration is not None
        found.append(registration)
    return found


@pytest.mark.parametrize("language", ["en", "de", "zh"])
def test_a_page_has_words_for_how_parts_lie_with_every_number(language: str, registrations: list[Registration]) -> None:
    known = words(language)
    used = set()
    for registration in registrations:
        text, key, values, _ = lies(registration, (SIDE, SIDE))
        used.add(f"registration.{key}")
        told, said = (
            re.findall(r"\d+(?:\.\d+)?", of) for of in (text, _rendered(known[f"registration.{key}"], values))
        )
        assert sorted([*told, "1"]) == sorted(said), (text, said)
    worth = Worth((0.9604, 0.9302), (0.011, 0.022))
    for refused in (
        describe_masks(registrations[0]),
        describe_refusal(worth, is_imprecise=True),
        describe_refusal(worth._replace(wrong=None), is_imprecise=False),
        describe_refusal(worth, is_imprecise=False),
        describe_refusal(worth._replace(specks=(0.8, 0.9)), is_imprecise=False),
    ):
        used.add(f"registration.{refused.key}")
        written = _rendered(known[f"registration.{refused.key}"], refused.values)
        assert all(value in text for value in refused.values.values() for text in (refused.text, written))
    assert used == {key for key in known if key.startswith("registration.")}


@pytest.mark.parametrize("language", ["en", "de", "zh"])
def test_a_page_has_words_for_each_step_of_a_training(language: str) -> None:
    sources = [*Path(training.__path__[0]).rglob("*.py"), *(Path(cli.__path__[0]) / f"{of}.py" for of in _TELLING)]
    found = {
        step
        for source in sources
        for step in re.findall(r'(?:\.bar|\.of|progress_bar)\("([a-z ]+)"\)', source.read_text(encoding="utf-8"))
    }
    assert {"learning the verdict", "parts laid alike", "inspecting"} < found
    assert {f"step.{step.replace(' ', '_')}" for step in found} == {
        key for key in words(language) if key.startswith("step.")
    }


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


def test_so_does_what_is_said_of_a_larger_input(store: Store) -> None:
    jobs = Jobs(store)
    for version, resolution in (
        ("1.0.0", Sentence("tried", "refused_both", {"auc": "0.9"}).named()),
        ("2.0.0", "tried"),
    ):
        number = jobs.prepare("part", TRAINING, f"part {version}", version=version)
        (jobs.folder(number) / RESULT).write_bytes(msgspec.json.encode({"outlook": {}, "resolution": resolution}))
        jobs.set(number, "done")
    assert outlook(store, jobs, "part", "1.0.0").resolution == Advice(
        "tried", "resolution.refused_both", {"auc": "0.9"}
    )
    assert outlook(store, jobs, "part", "2.0.0").resolution == Advice("tried"), "of an earlier version"
    assert outlook(store, jobs, "part", "2.0.0").registration is None


def test_so_does_how_parts_lie(store: Store) -> None:
    jobs = Jobs(store)
    number = jobs.prepare("part", TRAINING, "part 1.0.0", version="1.0.0")
    said = {"outlook": {}, "registration": Sentence("turned", "any_angle", {"alike": "0.9"}).named()}
    (jobs.folder(number) / RESULT).write_bytes(msgspec.json.encode(said))
    jobs.set(number, "done")
    assert outlook(store, jobs, "part", "1.0.0").registration == Advice(
        "turned", "registration.any_angle", {"alike": "0.9"}
    )
