"""Deploying to a real agent, and a shadow beside it, in a real browser and by the API."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from PIL import Image
from selenium import webdriver

from edge_agent.client.client import Client
from tests.support.browser import WITH_A_BROWSER, Person
from tests.support.daemon import Daemon, running_daemon, wait_until
from tests.support.fakes import write_echo
from tests.support.studio import Studio, running_studio

BRIGHT, MIDDLE, DARK = 230, 120, 20

pytestmark = WITH_A_BROWSER


@pytest.fixture(scope="module")
def agent(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Daemon]:
    folder = tmp_path_factory.mktemp("device")
    with running_daemon(folder, "--keep-mib", "64") as found:
        yield found


@pytest.fixture(scope="module")
def studio(agent: Daemon, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Studio]:
    data = agent.folder / "data"
    arguments = ("--state-dir", str(agent.folder / "state"), "--deploy-to", str(agent.folder / "models"))
    with running_studio(data, *arguments, agent=agent.socket) as found:
        found.post("/projects", {"name": "echo"})
        for version, threshold in (("1.0.0", 0.5), ("1.1.0", 0.4)):
            write_echo(data / "models", "echo", version=version, threshold=threshold)
        pictures = tmp_path_factory.mktemp("pictures")
        for brightness in (DARK, MIDDLE, BRIGHT):
            path = pictures / f"{brightness}.png"
            Image.new("RGB", (64, 64), (brightness,) * 3).save(path)
            found.ask("PUT", f"/api/projects/echo/uploads/{path.name}", path.read_bytes())
        yield found


@pytest.fixture
def person(driver: webdriver.Chrome, studio: Studio) -> Person:
    return Person(driver, studio)


def version_of(agent: Daemon) -> str:
    with Client(agent.socket) as client:
        return client.describe("echo").version


def test_a_version_is_deployed_judged_along_compared_and_rolled_back(
    person: Person, studio: Studio, agent: Daemon
) -> None:
    def served() -> dict[str, str]:
        (found,) = studio.get("/device")["models"]
        return dict(found)

    person.go("/projects/echo/models")
    person.until("both versions are listed", "document.querySelectorAll('#models tbody').length === 2")
    shadow = "document.querySelector('[data-do=shadow]')"
    person.until("nothing is offered that needs a model on the device", f"{shadow}.offsetParent === null")
    person.click("#models tbody:last-of-type [data-do=deploy]")
    person.until("it runs", "document.querySelector('.status')?.textContent === 'RUNNING'")
    wait_until(lambda: served()["deployed"] == "1.0.0", "it is the version that was chosen")
    person.go("/projects/echo/models")
    person.click("#models tbody:first-of-type [data-do=shadow]")
    person.until("the page of the device is shown", "document.querySelector('.shadow')?.textContent.includes('1.1.0')")
    person.shot("device")
    wait_until(lambda: served()["shadow_text"].startswith("0 pictures judged"), "the shadow is ready")
    assert served()["shadow"] == "echo-shadow@1.1.0"
    # The row is drawn anew when what it says has changed: first everything that is to be said, then the button.
    person.until_text(".shadow", "0 pictures judged")
    person.click("[data-do=send]")
    person.until("the line is shown", "location.pathname === '/live' && document.body.dataset.ready")

    def differs() -> bool:  # a picture that comes while it is busy is skipped
        studio.job(studio.post("/device/send", {"model": "echo"})["job"])
        return ", 0 otherwise" not in served()["shadow_text"]

    wait_until(differs, "it has judged otherwise")
    assert agent.stub.describe("echo").status_message.startswith("shadow echo-shadow@1.1.0: ")
    person.go("/device")
    person.until("it can be compared", "document.querySelector('[data-do=compare]')?.disabled === false")
    person.click("[data-do=compare]")
    person.until("it is shown", "document.querySelector('#comparison iframe').src.endsWith('index.html')")
    person.enter("#comparison iframe", "document.querySelector('table')")
    person.until_text("body", "echo-shadow@1.1.0")
    person.driver.switch_to.default_content()
    person.click("[data-do=end-shadow]")
    person.until("there is none", "document.querySelector('.shadow').hidden")
    wait_until(lambda: served()["shadow"] == "", "the agent has none")
    wait_until(lambda: not (agent.folder / "models" / "echo-shadow").exists(), "its component is gone")
    studio.post("/device/deploy", {"project": "echo", "version": "1.1.0"})
    wait_until(lambda: version_of(agent) == "1.1.0", "it has changed over")
    studio.post("/device/deploy", {"project": "echo", "version": "1.0.0"})
    wait_until(lambda: version_of(agent) == "1.0.0", "it is rolled back")
    assert not person.complaints()


def test_what_can_not_be_a_shadow_is_said_in_a_sentence(studio: Studio) -> None:
    studio.post("/projects", {"name": "other"})
    answer = studio.send("POST", "/device/shadow", {"project": "other", "version": "1.0.0"})
    assert (answer.status, answer.error) == (
        400,
        "no version of 'other' is deployed, whose pictures another could judge",
    )
    answer = studio.send("POST", "/device/compare", {"model": "other"})
    assert answer.error == "model 'other' has no shadow, expected one whose verdicts can be compared"
    answer = studio.send("POST", "/device/send", {"model": "other"})
    assert answer.error == "project 'other' has no pictures that could be sent"


def test_verdicts_are_shown_in_the_devices_time(person: Person, studio: Studio) -> None:
    studio.post("/device/deploy", {"project": "echo", "version": "1.0.0"})
    person.driver.execute_cdp_cmd("Emulation.setTimezoneOverride", {"timezoneId": "Asia/Kathmandu"})
    person.go("/records?model=nothing")
    person.until("the list is there", "document.body.dataset.ready")
    person.driver.execute_cdp_cmd("Emulation.setTimezoneOverride", {"timezoneId": ""})
    person.until_text("#zone", "Times are the device's, UTC")
    assert "05:45" not in person.text("#zone")
