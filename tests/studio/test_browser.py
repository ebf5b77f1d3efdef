"""The pages in a real browser, as a person uses them: by mouse and by key, from an empty studio to a better model."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from selenium.webdriver.common.action_chains import ActionChains
from selenium.webdriver.common.keys import Keys

from tests.support.browser import WITH_A_BROWSER, Person, assert_axe_finds_nothing_serious
from tests.support.daemon import wait_until
from tests.support.flange import SCRATCH_AND_DENT, until_step
from tests.support.studio import Studio

pytestmark = WITH_A_BROWSER


def project(studio: Studio) -> dict[str, Any]:
    found: dict[str, Any] = studio.get("/projects/flange")
    return found


def test_labels_by_key_and_in_bulk(person: Person, studio: Studio, flange: str) -> None:
    person.go(f"/projects/{flange}?class=none")
    person.until("eight tiles", "document.querySelectorAll('.tile[data-class=none]').length === 8")
    person.shot("pictures")
    person.find("#grid").click()
    person.press(Keys.HOME, "n")
    wait_until(lambda: project(studio)["normal"] == 21, "one more is normal")
    person.until("seven tiles", "document.querySelectorAll('.tile[data-class=none]').length === 7")
    person.press(Keys.HOME)
    ActionChains(person.driver).key_down(Keys.SHIFT).send_keys(Keys.ARROW_RIGHT, Keys.ARROW_RIGHT).key_up(
        Keys.SHIFT
    ).perform()
    person.until_text("#selected", "3 selected", whole=True)
    person.click("[data-say=anomaly]")
    wait_until(lambda: project(studio)["anomaly"] == 13, "three more are anomalous")
    numbers = studio.get(f"/projects/{flange}/picture-numbers?name=line-")
    studio.post(f"/projects/{flange}/pictures/say", {"pictures": numbers, "class": None})
    person.go(f"/projects/{flange}?class=anomaly&order=newest")
    person.until("ten tiles", "document.querySelectorAll('.tile[data-class=anomaly]').length === 10")
    person.until("the order is the address's", "document.querySelector('[name=order]').value === 'newest'")
    assert not person.complaints()


def test_train_measure_try_and_train_again(person: Person, studio: Studio, flange: str, tmp_path: Path) -> None:
    person.go(f"/projects/{flange}/models")
    person.click("details summary")
    person.click("[name=locate]")
    person.type("[name=input_size]", "256x192")
    person.shot("train-options")
    person.click("#go")
    person.until("there is a model", "document.querySelectorAll('#models tbody').length === 1")
    # What its training says is shown by itself, with the pictures that it found hardest.
    person.until("what to expect is shown", "document.querySelector('#models .f1-of')?.textContent.includes('F1')")
    person.until("there is advice", "document.querySelectorAll('#models .help li').length > 0")
    shown = "[...document.querySelectorAll('.hard img')].every((image) => image.complete && image.naturalWidth)"
    person.until("the hardest are seen", shown)
    person.find("#models tr.outlook").location_once_scrolled_into_view  # noqa: B018  # a property that scrolls
    person.shot("outlook")
    person.click("#models [data-do=outlook]")
    person.until("it can be taken away", "document.querySelector('#models tr.outlook').hidden")
    assert re.fullmatch(r"0\.\d\d to [01]\.\d\d", person.text("#models .recall .between"))  # drawn with its row
    assert not person.text("#models .milliseconds").endswith("ms")
    person.click("[data-do=measure]")
    person.until(
        "the evaluation is shown", "document.querySelector('#evaluation iframe').src.endsWith('evaluation.html')"
    )
    # Its script writes the text at the end of what it does first, and then listens to the slider.
    person.enter("#evaluation iframe", "document.readyState === 'complete' && document.querySelector('#about')")
    person.until_text("#about", "measured on 20 normal and 10 anomalous pictures")
    slider = person.find("#threshold")
    slider.send_keys(Keys.ARROW_RIGHT)
    moved = float(slider.get_attribute("value") or 0)
    person.driver.switch_to.default_content()
    person.until("it is measured", "document.querySelector('#models .milliseconds').textContent.endsWith(' ms')")
    person.shot("models")
    person.until("the threshold is offered", "!document.querySelector('#take-threshold').disabled")
    person.click("#take-threshold")
    person.until("there is another version", "document.querySelectorAll('#models tbody').length === 2")
    newest, first = studio.get("/projects/flange/models")
    assert (newest["version"], newest["made_from"], newest["threshold"]) == ("1.1.0", "1.0.0", moved)
    assert abs(moved - first["threshold"]) <= 0.001
    person.type("#models [data-do=threshold]", Keys.ENTER)
    person.until("it asks for the threshold", "document.querySelector('#threshold-dialog').open")
    for _ in range(5):
        person.press(Keys.TAB)
        assert person.driver.execute_script(
            "return document.activeElement === document.body || document.activeElement.closest('dialog') !== null"
        )
    person.press(Keys.ESCAPE)
    person.until("whoever uses keys is where they were", "document.activeElement.dataset.do === 'threshold'")
    person.click("#models tbody [data-do=remove]")
    person.accept()
    person.until("it is gone", "document.querySelectorAll('#models tbody').length === 1")
    key = tmp_path / "release.pem"
    subprocess.run([sys.executable, "-m", "edge_agent", "sign", "--new-key", str(key)], check=True, capture_output=True)
    person.click("[data-do=sign]")
    person.until("it asks for the key", "document.activeElement.closest('#sign-dialog') !== null")
    ActionChains(person.driver).send_keys(str(key), Keys.ENTER).perform()
    wait_until((studio.data / "models/flange/1.0.0/manifest.json.sig").exists, "it is signed")
    person.until("the page says so", "!document.querySelector('#models .signed').hidden")
    person.click("[data-do=package]")
    person.click("#package-dialog .primary")
    assert person.driver.execute_script("return document.querySelector('#package-dialog').open"), "a key is needed"
    person.type("#package-dialog [name=sign_key]", str(key), Keys.ENTER)
    person.until("the job is listed", "document.querySelector('#jobs li .state')?.dataset.state === 'done'")
    person.click("#jobs li summary")
    person.until("its files are there", "document.querySelectorAll('#jobs li .files a').length >= 2")
    person.go(f"/projects/{flange}/models")
    person.click("[data-do=try]")
    person.until("the model is chosen", "document.querySelector('#begin select').value === '1.0.0'")
    person.click("#begin button")
    person.until("they have been judged", "document.body.dataset.judged === '8'")
    person.until("one is shown", "!document.querySelector('#judge').hidden")
    person.shot("try")
    judged = studio.get(f"/projects/{flange}/pictures?class=none&verdict=anomaly")["pictures"]
    assert judged
    for one in judged:
        assert one["proposed"]
        (studio.data / "projects" / flange / "proposals" / f"{one['id']}.png").unlink()
    person.go(f"/projects/{flange}/try")
    person.until("one is shown", "!document.querySelector('#judge').hidden")
    before = project(studio)
    for _ in range(8):
        said = person.find("#verdict").get_attribute("data-class")
        name = person.text("#name")
        (picture,) = studio.get(f"/projects/{flange}/pictures?name={name}")["pictures"]
        assert picture["verdict"] == said
        assert person.find("#unmarked").is_displayed() == (said == "anomaly"), (
            "an empty mask is not shown without a word"
        )
        person.press("c")
        person.until_class(flange, name)
        shown = "document.querySelector('#name').textContent"
        person.until("the next is shown", f"{shown} !== {json.dumps(name)} || document.querySelector('#judge').hidden")
    person.until("all are confirmed", "document.querySelector('#judge').hidden")
    after = project(studio)
    assert (after["unlabelled"], before["unlabelled"]) == (0, 8)
    assert after["normal"] + after["anomaly"] == before["normal"] + before["anomaly"] + 8
    # A mask, and the strip of the first start has got to its sixth step.
    if not project(studio)["labels"]:
        studio.send("PATCH", f"/projects/{flange}", {"labels": SCRATCH_AND_DENT})
    number = studio.get(f"/projects/{flange}/picture-numbers?class=anomaly")[0]
    revision = studio.get(f"/projects/{flange}/pictures/{number}")["revision"]
    place = f"/api/projects/{flange}/pictures/{number}/mask?revision={revision}"
    assert studio.ask("PUT", place, bytes([1]) * (640 * 480)).status == 200
    until_step(person, "deploy")
    person.click("#guide .go")
    person.until("it leads to the models", "location.pathname.endsWith('/models')")
    person.click("#guide .close")
    person.go("/jobs")
    assert not person.find("#guide").is_displayed()
    person.until("the jobs are listed", "document.querySelectorAll('#jobs li').length >= 3")
    person.shot("jobs")
    assert not [complaint for complaint in person.complaints() if "frame" not in complaint]


def test_how_parts_lie_is_said_where_a_training_has_said_it(person: Person, studio: Studio, flange: str) -> None:
    said = {
        "text": "parts lie at any angle", "key": "any_angle", "remedy": "",
        "values": {"alike": "0.92", "before": "0.09", "milliseconds": "8", "moved": "37.3%"},
    }  # fmt: skip
    (result,) = (path for path in studio.data.rglob("result.json") if "outlook" in json.loads(path.read_text()))
    result.write_text(json.dumps(json.loads(result.read_text()) | {"registration": said}))
    person.go(f"/projects/{flange}/models")
    person.click("#models [data-do=outlook]")
    person.until_text("#models .registration", "with a correlation of 0.92 instead of 0.09")
    assert not person.find("#models .resolution").is_displayed()


@pytest.mark.parametrize("size", [(1366, 900), (820, 1180)], ids=["desktop", "tablet"])
def test_no_page_is_wider_than_the_screen(person: Person, flange: str, size: tuple[int, int]) -> None:
    person.driver.set_window_size(*size)
    number = person.studio.get(f"/projects/{flange}/picture-numbers")[0]
    pages = ("/", f"/projects/{flange}", f"/projects/{flange}/models", f"/projects/{flange}/try", "/device", "/jobs",
             f"/projects/{flange}/paint/{number}")  # fmt: skip
    for page in pages:
        person.go(page)
        person.find("main")
        wide, there = person.driver.execute_script(
            "return [document.documentElement.scrollWidth, document.documentElement.clientWidth]"
        )
        assert wide <= there, page
        person.shot(f"{size[0]}{page.replace('/', '-')}")
    person.driver.set_window_size(1366, 900)


def test_axe_finds_nothing_serious(person: Person, studio: Studio, flange: str, tmp_path: Path) -> None:
    number = studio.get(f"/projects/{flange}/picture-numbers")[0]
    pages = ("/", "/projects/flange", "/projects/flange/models", "/projects/flange/try", "/device", "/jobs",
             f"/projects/flange/paint/{number}")  # fmt: skip
    assert_axe_finds_nothing_serious(person, pages, "document.documentElement.dataset.theme", tmp_path)
