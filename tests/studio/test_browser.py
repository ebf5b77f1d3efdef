"""The pages in a real browser, as a person uses them: by mouse and by key, from an empty studio to a better model."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import pytest
from PIL import Image
from selenium import webdriver
from selenium.webdriver.common.action_chains import ActionChains
from selenium.webdriver.common.keys import Keys

from edge_agent.studio.pages.words import words
from tests.support.browser import WITH_A_BROWSER, Person, assert_axe_finds_nothing_serious, browser
from tests.support.daemon import wait_until
from tests.support.studio import Studio, running_studio

SCRATCH_AND_DENT = [{"name": "scratch", "color": "#2ca02c"}, {"name": "dent", "color": "#1f77b4"}]

pytestmark = WITH_A_BROWSER


@pytest.fixture(scope="module")
def studio(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Studio]:
    with running_studio(tmp_path_factory.mktemp("studio") / "data") as found:
        yield found


@pytest.fixture
def person(driver: webdriver.Chrome, studio: Studio) -> Person:
    found = Person(driver, studio)
    found.complaints()  # of the pages before
    return found


@pytest.fixture(scope="module")
def flange(driver: webdriver.Chrome, studio: Studio) -> str:
    """The sample part, asked for on the first page of an empty studio."""
    person = Person(driver, studio)
    person.go("/")
    person.find("#projects p")
    person.shot("first-start")
    person.click("#demo")
    person.until("the pictures have been taken in", "document.querySelector('#count')?.textContent.startsWith('38 ')")
    until_step(person, "classes")
    assert not person.complaints()
    return "flange"


def until_step(person: Person, step: str) -> None:
    """Wait until the strip that leads a first start says that this is the next step."""
    said = words("en")[f"guide.{step}"]
    person.until(
        f"{step} is the next step", f"document.querySelector('#guide .what').textContent === {json.dumps(said)}"
    )


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


def test_masks_are_painted_saved_undone_and_opened_again(person: Person, studio: Studio, flange: str) -> None:
    number = studio.get(f"/projects/{flange}/picture-numbers?class=anomaly")[0]
    studio.send(
        "PATCH",
        f"/projects/{flange}",
        {"labels": SCRATCH_AND_DENT},
    )
    person.go(f"/projects/{flange}/paint/{number}?class=anomaly")
    person.until("the picture is open", "document.body.dataset.ready")

    def mask() -> np.ndarray:
        content = studio.ask("GET", f"/api/projects/{flange}/pictures/{number}/mask").content
        return np.frombuffer(content, np.uint8).reshape(480, 640)

    def saved(revision: int) -> None:
        wait_until(lambda: studio.get(f"/projects/{flange}/pictures/{number}")["revision"] >= revision, "it is saved")
        person.until("the page says so", "document.querySelector('#state').dataset.state === 'saved'")

    stage = person.find("#stage")
    stroke = ActionChains(person.driver).move_to_element_with_offset(stage, -60, -40).click_and_hold()
    stroke.move_by_offset(80, 30).release().perform()
    saved(1)
    painted = mask()
    assert set(np.unique(painted)) == {0, 1}
    shown = np.asarray(
        person.driver.execute_script(
            "const out = new Array(640 * 480).fill(0);"
            "for (const c of document.querySelectorAll('#overlay canvas')) {"
            "  const d = c.getContext('2d').getImageData(0, 0, c.width, c.height).data;"
            "  const left = parseInt(c.style.left), top = parseInt(c.style.top);"
            "  for (let i = 0; i < c.width * c.height; i += 1) if (d[4 * i + 3])"
            "    out[(top + Math.floor(i / c.width)) * 640 + left + i % c.width] = 1;"
            "} return out;"
        ),
        np.uint8,
    ).reshape(480, 640)
    assert (shown == painted).all()
    person.press("2")
    ActionChains(person.driver).move_to_element_with_offset(stage, 100, 80).click().perform()
    saved(2)
    assert set(np.unique(mask())) == {0, 1, 2}
    person.shot("paint")
    ActionChains(person.driver).key_down(Keys.CONTROL).send_keys("z").key_up(Keys.CONTROL).perform()
    saved(3)
    assert (mask() == painted).all()
    person.driver.refresh()
    person.until("the picture is open", "document.body.dataset.ready")
    assert (mask() == painted).all()
    with Image.open(
        studio.data / "projects/flange/masks" / f"{studio.get(f'/projects/{flange}/pictures/{number}')['file']}.png"
    ) as image:
        assert (np.asarray(image) == painted).all()
    # Somebody else paints the same picture meanwhile.
    studio.ask("PUT", f"/api/projects/{flange}/pictures/{number}/mask?revision=3", bytes(640 * 480))
    ActionChains(person.driver).move_to_element_with_offset(person.find("#stage"), 0, 0).click().perform()
    person.until("the page says that it was changed", "!document.querySelector('#conflict').hidden")
    person.until_text("#conflict", "was changed by")
    assert not mask().any()
    person.click("#conflict button")
    person.until("what is there now is shown", "document.querySelector('#state').dataset.state === 'saved'")
    assert all("409" in complaint for complaint in person.complaints())
    studio.send("PATCH", f"/projects/{flange}", {})


def test_a_crash_of_the_browser_loses_one_stroke_at_most(person: Person, studio: Studio, flange: str) -> None:
    number = studio.get(f"/projects/{flange}/picture-numbers?class=anomaly")[1]
    studio.send("PATCH", f"/projects/{flange}", {"labels": SCRATCH_AND_DENT})
    before = studio.get(f"/projects/{flange}/pictures/{number}")["revision"]
    crashing = browser()
    try:
        other = Person(crashing, studio)
        other.go(f"/projects/{flange}/paint/{number}")
        other.until("the picture is open", "document.body.dataset.ready")
        stage = other.find("#stage")
        for stroke in range(3):
            ActionChains(crashing).move_to_element_with_offset(stage, 60 * stroke, 0).click().perform()
            if stroke < 2:
                other.until("it is saved", "document.querySelector('#state').dataset.state === 'saved'")
                wait_until(
                    lambda: studio.get(f"/projects/{flange}/pictures/{number}")["revision"] > before + stroke,  # noqa: B023
                    "the stroke is in the file",
                )
        for process in psutil.Process(crashing.service.process.pid).children(recursive=True):
            process.kill()
    finally:
        crashing.service.stop()
    assert studio.get(f"/projects/{flange}/pictures/{number}")["revision"] >= before + 2
    content = studio.ask("GET", f"/api/projects/{flange}/pictures/{number}/mask").content
    painted = np.frombuffer(content, np.uint8).reshape(480, 640)
    person.go(f"/projects/{flange}/paint/{number}")
    person.until("the picture is open", "document.body.dataset.ready")
    # Two round strokes at least, beside each other.
    columns = (painted > 0).any(axis=0).astype(int)
    assert np.count_nonzero(np.diff(columns) == 1) >= 2


def test_a_finger_paints_and_two_zoom(person: Person, studio: Studio, flange: str) -> None:
    number = studio.get(f"/projects/{flange}/picture-numbers?class=anomaly")[2]
    studio.send("PATCH", f"/projects/{flange}", {"labels": SCRATCH_AND_DENT})
    person.driver.execute_cdp_cmd("Emulation.setTouchEmulationEnabled", {"enabled": True, "maxTouchPoints": 5})
    try:
        person.go(f"/projects/{flange}/paint/{number}")
        person.until("the picture is open", "document.body.dataset.ready")
        x, y = person.driver.execute_script(
            "const b = document.querySelector('#stage').getBoundingClientRect();"
            "return [b.left + b.width / 2, b.top + b.height / 2]"
        )

        def touch(kind: str, *points: tuple[float, float]) -> None:
            fingers = [{"x": at[0], "y": at[1], "id": finger} for finger, at in enumerate(points)]
            person.driver.execute_cdp_cmd("Input.dispatchTouchEvent", {"type": kind, "touchPoints": fingers})

        touch("touchStart", (x, y))
        for step in range(10):
            touch("touchMove", (x + 5 * step, y + 3 * step))
        touch("touchEnd")
        person.until("it is saved", "document.querySelector('#state').dataset.state === 'saved'")
        wait_until(lambda: studio.get(f"/projects/{flange}/pictures/{number}")["revision"] == 1, "the stroke is there")
        zoom = "Number(/scale\\(([\\d.]+)\\)/.exec(document.querySelector('#sheet').style.transform)[1])"
        before = person.until("the zoom is known", zoom)
        touch("touchStart", (x - 40, y))
        touch("touchStart", (x - 40, y), (x + 40, y))
        for step in range(1, 5):
            touch("touchMove", (x - 40 - 10 * step, y), (x + 40 + 10 * step, y))
        touch("touchEnd")
        person.until("it is twice as large", f"Math.abs({zoom} / {before} - 2) < 0.02")
        assert studio.get(f"/projects/{flange}/pictures/{number}")["revision"] == 1
    finally:
        person.driver.execute_cdp_cmd("Emulation.setTouchEmulationEnabled", {"enabled": False})


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
    before = project(studio)
    for _ in range(8):
        said = person.find("#verdict").get_attribute("data-class")
        name = person.text("#name")
        (picture,) = studio.get(f"/projects/{flange}/pictures?name={name}")["pictures"]
        assert picture["verdict"] == said
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


def test_a_name_that_is_a_script_is_only_a_name(person: Person, studio: Studio, tmp_path: Path) -> None:
    studio.post("/projects", {"name": "hostile", "description": "<img src=x onerror=\"document.title='gone'\">"})
    path = tmp_path / "p.png"
    Image.new("RGB", (80, 80), (3, 3, 3)).save(path)
    studio.ask("PUT", "/api/projects/hostile/uploads/%3Cimg%20src=x%20onerror=alert(1)%3E.png", path.read_bytes())
    person.go("/")
    person.until(
        "the project is listed", "[...document.querySelectorAll('.project b')].some((b) => b.textContent === 'hostile')"
    )
    assert "gone" not in person.driver.title
    person.go("/projects/hostile")
    person.until("its picture is shown", "document.querySelectorAll('.tile .name').length === 1")
    assert person.count(".tile .name img") == 0


def test_pictures_are_sent_from_the_page_and_refusals_are_named(person: Person, studio: Studio, tmp_path: Path) -> None:
    studio.post("/projects", {"name": "sent"})
    for number in range(12):
        Image.new("RGB", (80, 80), (number, 3, 3)).save(tmp_path / f"p{number}.png")
    shutil.copy(tmp_path / "p1.png", tmp_path / "twin.png")
    (tmp_path / "bad.png").write_bytes(b"no picture")
    person.go("/projects/sent")
    person.find("#files").send_keys("\n".join(str(path) for path in sorted(tmp_path.glob("*.png"))))
    person.until(
        "all have been sent", "document.querySelector('#upload .state').textContent.includes('could not be taken')"
    )
    assert person.text("#upload .state") == "12 added, 1 were there already, 1 could not be taken"
    person.until_text("#upload ul", "bad.png")
    assert studio.get("/projects/sent")["unlabelled"] == 12
    # After an interruption the same files again, and a large one of which a part is there.
    large = tmp_path / "large.png"
    Image.fromarray(np.random.default_rng(1).integers(0, 255, (2000, 3000, 3), np.uint8)).save(large, compress_level=0)
    os.utime(large, (1_700_000_000, 1_700_000_000))  # a browser's time of a file has no more than milliseconds
    content, part = large.read_bytes(), 8 << 20
    identity = ["sent", "large.png", len(content), int(large.stat().st_mtime_ns // 1_000_000)]
    key = 0xCBF29CE484222325
    for byte in json.dumps(identity, separators=(",", ":")).encode():
        key = (key ^ byte) * 0x100000001B3 % 2**64
    place = f"/api/projects/sent/uploads/large.png/parts?key={key:016x}"
    assert studio.ask("PUT", f"{place}&offset=0&size={len(content)}", content[:part]).json == {
        "bytes": part, "added": None,
    }  # fmt: skip
    person.go("/projects/sent")
    person.driver.execute_script("localStorage.setItem('sending sent', '3')")
    person.go("/projects/sent")
    person.until_text("#upload .state", "3 files were not sent when this page was left.")
    person.find("#files").send_keys("\n".join(str(path) for path in [*sorted(tmp_path.glob("p*.png")), large]))
    person.until("all is there", "document.querySelector('#upload .state').textContent.startsWith('1 added, 12 were')")
    uploads = "performance.getEntriesByType('resource').map((e) => e.name).filter((n) => n.includes('/uploads/'))"
    offsets = [str(offset) for offset in range(part, len(content), part)]
    person.until("each part is counted", f"{uploads}.filter((n) => n.includes('offset=')).length >= {len(offsets)}")
    sent = person.driver.execute_script(f"return {uploads}")
    assert not [address for address in sent if "/parts?" not in address]
    assert [begun for address in sent if (begun := address.partition("offset=")[2].partition("&")[0])] == offsets
    assert studio.ask("GET", f"/api/projects/sent/pictures/{studio.get('/projects/sent/picture-numbers?name=large')[0]}"
                      "/image").content == content  # fmt: skip


def test_axe_finds_nothing_serious(person: Person, studio: Studio, flange: str, tmp_path: Path) -> None:
    number = studio.get(f"/projects/{flange}/picture-numbers")[0]
    pages = ("/", "/projects/flange", "/projects/flange/models", "/projects/flange/try", "/device", "/jobs",
             f"/projects/flange/paint/{number}")  # fmt: skip
    assert_axe_finds_nothing_serious(person, pages, "document.documentElement.dataset.theme", tmp_path)
