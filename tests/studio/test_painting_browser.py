"""Masks are painted in a real browser, by mouse, key and finger, and a crash loses one stroke at most."""

from __future__ import annotations

import numpy as np
import psutil
from PIL import Image
from selenium.webdriver.common.action_chains import ActionChains
from selenium.webdriver.common.keys import Keys

from tests.support.browser import WITH_A_BROWSER, Person, browser
from tests.support.daemon import wait_until
from tests.support.flange import SCRATCH_AND_DENT
from tests.support.studio import Studio

pytestmark = WITH_A_BROWSER


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
