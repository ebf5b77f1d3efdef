"""Lines in the studio: made, tried, started and stopped, in a real browser and with a real agent."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest
from PIL import Image
from selenium import webdriver

from tests.support.browser import WITH_A_BROWSER, Person
from tests.support.daemon import PATIENCE, Daemon, running_daemon, wait_until
from tests.support.fakes import picture, write_echo
from tests.support.studio import Studio, running_studio

BRIGHT, DARK = 230, 20

pytestmark = WITH_A_BROWSER


@pytest.fixture(scope="module")
def agent(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Daemon]:
    folder = tmp_path_factory.mktemp("agent")
    write_echo(folder / "models")
    with running_daemon(folder) as found:
        yield found


@pytest.fixture(scope="module")
def studio(agent: Daemon) -> Iterator[Studio]:
    arguments = ("--state-dir", str(agent.folder / "state"))
    with running(agent, *arguments) as found:
        yield found
        stop_all(found)


def running(agent: Daemon, *arguments: str) -> Any:
    environment = {"STATE_DIRECTORY": str(agent.folder / "line-state")}
    return running_studio(agent.folder / "data", *arguments, agent=agent.socket, environment=environment)


def stop_all(studio: Studio) -> None:
    for line in studio.get("/lines")["lines"]:
        if line["can_stop"]:
            studio.post(f"/lines/{line['name']}/stop")


@pytest.fixture
def person(driver: webdriver.Chrome, studio: Studio) -> Person:
    driver.set_window_size(1366, 900)
    return Person(driver, studio)


def put(folder: Path, name: str, brightness: int) -> None:
    folder.mkdir(exist_ok=True)
    Image.fromarray(picture(brightness)).save(folder / f".{name}.tmp", "PNG")
    (folder / f".{name}.tmp").rename(folder / f"{name}.png")


def fill(person: Person, field: str, value: str) -> None:
    """Choose or type, as a person does."""
    script = (
        f"const field = document.querySelector('[name={field}]'); field.value = {json.dumps(value)};"
        "field.dispatchEvent(new Event('input', {bubbles: true}));"
    )
    person.driver.execute_script(script)


def test_a_line_is_made_tried_started_watched_and_stopped(person: Person, studio: Studio, tmp_path: Path) -> None:
    folder = tmp_path / "in"
    put(folder, "a", BRIGHT)
    put(folder, "b", DARK)
    person.go("/new-line")
    person.until("the form has made a text", "document.querySelector('#text').value.includes('line-1')")
    person.until("it names no folder yet", "document.querySelector('#save').disabled")
    for field, value in (("name", "gate"), ("cycle_ms", "5000"), ("folder_place", str(folder)), ("pin", "file"),
                         ("able_pin", f"{tmp_path}/able"), ("reject_pin", f"{tmp_path}/reject")):  # fmt: skip
        fill(person, field, value)
    person.until("it is right", "document.querySelector('#text').value.includes('safe = 1') && !save.disabled")
    person.click("#try")
    person.until("both are tried", "document.querySelectorAll('.tried li').length === 2")
    person.until("the trial is over", "!document.querySelector('#try').disabled")
    outcomes = [
        element.get_attribute("data-outcome") for element in person.driver.find_elements("css selector", ".tried li")
    ]
    assert outcomes == ["reject", "pass"]
    person.shot("line-tried")
    assert sorted(path.name for path in folder.iterdir()) == ["a.png", "b.png"]
    person.click("#save")
    wait_until((studio.data / "lines/gate.toml").exists, "it is saved")
    person.go("/lines")
    person.click("[data-do=start]:not(:disabled)")
    wait_until((folder / "done/reject/a.png").exists, "the bright part is rejected")
    wait_until((folder / "done/pass/b.png").exists, "the dark part passes")
    person.until("they are counted", "!isNaN(parseInt(document.querySelector('.passed').textContent))")
    person.until("it inspects", "document.querySelector('.state').dataset.state === 'inspecting'")
    wait_until(lambda: (tmp_path / "able").read_text().strip() == "1", "the pin says so")
    person.shot("lines")
    person.go("/lines/gate")
    person.until("the dark part was the last", "document.querySelector('.outcome').dataset.outcome === 'pass'")
    put(folder, "c", BRIGHT)
    person.until("it is rejected", "document.querySelector('.outcome').dataset.outcome === 'reject'")
    person.until("its picture is shown", "document.querySelector('.now .picture').naturalWidth === 64")
    person.until("three parts are listed", "document.querySelectorAll('#recent tbody tr').length === 3")
    person.until("both pins are on", "document.querySelectorAll('.pins [data-value=\"1\"]').length === 2")
    person.shot("line")
    person.go("/live")
    person.until("the line is there too", "document.querySelector('.line-row .state')?.dataset.state === 'inspecting'")
    person.go("/lines")
    person.click("[data-do=stop]:not(:disabled)")
    person.until("it is stopped", "document.querySelector('.state').dataset.state === 'stopped'")
    wait_until(lambda: (tmp_path / "able").read_text().strip() == "0", "the pin is safe")
    assert not person.complaints()


def test_mistakes_stand_beside_their_lines_and_nothing_is_overwritten(
    person: Person, studio: Studio, tmp_path: Path
) -> None:
    text = studio.post("/line-compose", {"name": "seen", "place": str(tmp_path), "model": "echo"})["text"]
    studio.send("PUT", "/lines/seen/file", {"text": text})
    person.go("/lines/seen/edit")
    person.until("it is open", f"document.querySelector('#text').value === {json.dumps(text)}")

    def type_(new: str) -> None:
        script = (
            "const t = document.querySelector('#text'); t.value = arguments[0]; t.dispatchEvent(new Event('input'))"
        )
        person.driver.execute_script(script, new)

    wrong = "# mine\n" + text.replace("after", "afer").replace("cycle_ms = 1000", "cycle_ms = 1")
    type_(wrong)
    person.until("both are told", "document.querySelectorAll('#notes li').length === 2")
    marked = person.driver.execute_script(
        "const all = [...document.querySelectorAll('#gutter li')];"
        "return all.flatMap((item, place) => (item.matches('.wrong') ? [place] : []))"
    )
    assert [wrong.splitlines()[place].partition(" ")[0] for place in marked] == ["cycle_ms", "afer"]
    beside = person.driver.execute_script(
        "const top = (s) => document.querySelector(s).getBoundingClientRect().top;"
        "return top('#notes li') - top('#gutter .wrong')"
    )
    assert abs(beside) < 12
    person.shot("line-mistakes")
    person.until("it can't be saved", "document.querySelector('#save').disabled")
    person.click("#save-draft")
    person.until("it is a draft", "!document.querySelector('#draft').hidden")
    assert (studio.data / "lines/seen.toml").read_text() == text
    type_(wrong.replace("afer", "after").replace("cycle_ms = 1 ", "cycle_ms = 900 "))
    file = studio.get("/lines/seen/file")
    studio.send("PUT", "/lines/seen/file", {"text": text + "# theirs\n", "revision": file["revision"]})
    person.until("it can be saved", "!document.querySelector('#save').disabled")
    person.click("#save")
    person.until("the second is told", "!document.querySelector('#conflict').hidden")
    assert (studio.data / "lines/seen.toml").read_text() == text + "# theirs\n"
    person.click("#load")
    person.until("theirs is open", "document.querySelector('#text').value.endsWith('# theirs\\n')")
    person.until("mine is not lost", "document.querySelector('#mine pre').textContent.startsWith('# mine')")
    assert all("409" in complaint for complaint in person.complaints())


def test_a_line_outlives_its_studio_and_is_started_again_when_its_keeper_was_killed(
    agent: Daemon, studio: Studio, tmp_path: Path
) -> None:
    folder = tmp_path / "in"
    folder.mkdir()
    text = studio.post("/line-compose", {"name": "kept", "place": str(folder), "model": "echo"})["text"]
    text = text.replace("cycle_ms = 1000", "cycle_ms = 5000")  # a busy machine decides within that
    studio.send("PUT", "/lines/kept/file", {"text": text})
    studio.post("/lines/kept/start")
    wait_until(lambda: studio.get("/lines/kept")["state"] == "inspecting", "it inspects")
    again = studio.send("POST", "/lines/kept/start")
    assert (again.status, again.error) == (409, "line 'kept' runs already")
    assert (
        studio.send("DELETE", "/lines/kept/file", {"revision": studio.get("/lines/kept/file")["revision"]}).status
        == 409
    )
    kept = json.loads((studio.data / "line-runs/kept/keeper.json").read_bytes())
    keeper = psutil.Process(kept["process"])
    line = keeper.children(recursive=True)
    keeper.kill()
    assert not psutil.wait_procs(line, PATIENCE)[1], "the line ends with it"

    def is_another() -> bool:
        found = json.loads((studio.data / "line-runs/kept/keeper.json").read_bytes())
        return bool(found["process"] != kept["process"] and studio.get("/lines/kept")["state"] == "inspecting")

    wait_until(is_another, "it is started again")
    assert "can inspect" in studio.get("/lines/kept/log")["log"]
    put(folder, "c", DARK)
    wait_until((folder / "done/pass/c.png").exists, "it works")
