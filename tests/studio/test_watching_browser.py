"""Dashboard, verdicts and the line now in a real browser."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest
from selenium import webdriver
from selenium.webdriver.common.keys import Keys

from edge_agent.records.refused import Refused
from edge_agent.records.store.writer import RecordWriter
from tests.support.browser import WITH_A_BROWSER, Person, assert_axe_finds_nothing_serious
from tests.support.daemon import Daemon, bytes_request, running_daemon, wait_until
from tests.support.fakes import half_bright, picture, write_echo
from tests.support.records import record, rows
from tests.support.studio import Studio, running_studio

_SECOND, _HOUR = 1_000_000, 3600 * 1_000_000
PAGES = (
    "/live",
    "/dashboard?model=echo&span=3d",
    "/records?model=echo",
    "/lines",
    "/new-line",
    "/lines/seen",
)

pytestmark = WITH_A_BROWSER


@pytest.fixture(scope="module")
def line(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Daemon]:
    folder = tmp_path_factory.mktemp("line")
    begun = (time.time_ns() // 1000 // _HOUR - 40) * _HOUR
    writer = RecordWriter(folder / "state" / "records", days=90, mib=64)
    for hour in range(38):
        bad = 60 if hour == 30 else 10
        told = [
            record(
                begun + hour * _HOUR + number * _SECOND, model="echo", anomalous=number < bad,
                score=0.9 if number < bad else 0.1, areas={"bright": 0.2} if number < bad else {},
            )
            for number in range(200)
        ]  # fmt: skip
        if hour == 20:
            told[9] = msgspec.structs.replace(told[9], areas={}, part="B-1")
        writer.write(told)
    writer.count_refused([Refused(begun + 20 * _HOUR, "echo", "wrong_state", 7, "model 'echo' is STOPPED")])
    writer.close()
    write_echo(folder / "models", "echo")
    with running_daemon(folder, "--keep-mib", "64", "--keep", "normal=1", "--keep", "anomalous") as found:
        wait_until((folder / "state/records/pictures/keeper.sock").exists, "pictures are taken")
        found.stub.start("echo")
        # One anomaly of two is chance, one of one would be an hour that is out.
        wait_until(lambda: time.time() % 3600 < 3590, "both fall into one hour")
        for drawn in (picture(220), half_bright()):
            found.stub("DetectAnomalies", bytes_request("echo", drawn))
        count = "SELECT count(*) FROM records"
        wait_until(lambda: rows(folder / "state" / "records", count) == [(38 * 200 + 2,)], "they are written down")
        yield found


@pytest.fixture(scope="module")
def studio(line: Daemon) -> Iterator[Studio]:
    lines = line.folder / "data" / "lines"
    lines.mkdir(parents=True)
    (lines / "seen.toml").write_text('name = "seen"\n[source]\nkind = "folder"\npath = "/nowhere"\n')
    with running_studio(line.folder / "data", "--state-dir", str(line.folder / "state"), agent=line.socket) as found:
        yield found


@pytest.fixture
def person(driver: webdriver.Chrome, studio: Studio) -> Person:
    driver.set_window_size(1366, 900)
    return Person(driver, studio)


def test_a_point_is_reached_by_key_and_leads_to_its_verdicts(person: Person) -> None:
    person.go("/dashboard?model=echo&span=3d")
    person.until("the figures are there", "document.body.dataset.ready")
    person.until("one hour is out", "document.querySelectorAll('#control .point.out').length === 1")
    person.driver.execute_script("document.querySelector('#control .mark[tabindex=\"0\"]').focus()")
    person.press(Keys.HOME)
    before = person.driver.execute_script("return document.activeElement.getAttribute('aria-label')")
    person.press(Keys.ARROW_RIGHT)
    after = person.driver.execute_script("return document.activeElement.getAttribute('aria-label')")
    assert before != after
    assert "10 of 200, 5%" in after
    person.until_text("#control .tip", after, whole=True)
    person.shot("dashboard")
    person.press(Keys.ENTER)
    person.until("its verdicts are listed", "document.querySelectorAll('#records li').length === 10")
    assert "verdict=anomaly" in person.driver.current_url
    assert not person.complaints()


def test_a_bar_of_refused_calls_leads_to_its_time_and_the_reasons(person: Person) -> None:
    person.go("/dashboard?model=echo&span=3d")
    person.until("the figures are there", "document.querySelectorAll('#refused .mark').length")
    assert "7" in str(person.driver.execute_script("return document.querySelector('#refused .mark').ariaLabel"))
    person.driver.execute_script("document.querySelector('#refused .mark').focus()")
    person.press(Keys.ENTER)
    person.until("the time is its own", "document.querySelector('[name=from]')?.value && document.body.dataset.ready")
    person.until("its hour is counted", "document.querySelector('#total').textContent === '200'")
    assert person.text("#refused-total") == "7"
    assert "model 'echo' is STOPPED" in person.text("#reasons .about")
    assert not person.complaints()


def test_a_verdict_is_confirmed_with_one_key(person: Person, studio: Studio) -> None:
    person.go("/records?model=echo&word=none")
    person.until("verdicts are listed", "document.querySelectorAll('#records li').length >= 60")
    person.click("#records li:nth-child(1) button")
    person.until("it is open", "document.querySelector('#detail').open")
    person.shot("verdict")
    newest, second = studio.get("/records?model=echo&limit=2")["records"]
    person.press("w")
    wait_until(lambda: studio.get(f"/records/{newest['id']}")["truth"] == "anomaly", "it was wrong")
    person.until("the next is open", "document.querySelector('#detail-verdict').dataset.class === 'anomaly'")
    person.press("c")
    wait_until(lambda: studio.get(f"/records/{second['id']}")["truth"] == "anomaly", "it was right")
    assert not person.complaints()


def test_a_verdict_without_a_mark_says_so(person: Person) -> None:
    person.go("/records?model=echo&part=B-1")
    person.until("it is listed", "document.querySelectorAll('#records li').length === 1")
    assert person.text("#records .unmarked") == "nothing marked"
    person.click("#records li button")
    person.until("it is open", "document.querySelector('#detail').open")
    assert "Nothing is marked: the model tells by the whole picture" in person.text("#facts")
    person.press(Keys.ESCAPE)
    person.go("/records?model=echo&label=bright")
    person.until("others are listed", "document.querySelectorAll('#records li').length > 1")
    assert not person.text("#records .unmarked")
    assert not person.complaints()


def test_the_line_is_seen_and_goes_on_after_the_agent_comes_back(person: Person, line: Daemon) -> None:
    person.go("/live")

    def shows(verdict: str, brightness: int) -> bool:
        line.stub("DetectAnomalies", bytes_request("echo", picture(brightness)))
        script = "return document.querySelector('.live-line .verdict')?.dataset.class"
        return bool(person.driver.execute_script(script) == verdict)

    wait_until(lambda: shows("anomaly", 230), "an anomaly is shown")
    wait_until(lambda: shows("normal", 20), "a normal one is shown")
    person.until("its picture is shown", "document.querySelector('.now .picture').naturalWidth === 64")
    person.shot("live")
    line.process.kill()
    line.process.wait()
    person.until("the page says that the agent is away", "!document.querySelector('#trouble').hidden")
    line.restart()
    line.stub.wait_for("echo", "RUNNING")
    wait_until(lambda: shows("anomaly", 230), "an anomaly is shown again")
    person.until("nothing is wrong", "document.querySelector('#trouble').hidden")


@pytest.mark.parametrize("size", [(1366, 900), (768, 1024), (640, 800)], ids=["desktop", "tablet", "zoomed"])
def test_no_page_is_wider_than_the_screen(person: Person, size: tuple[int, int]) -> None:
    person.driver.set_window_size(*size)
    for page in PAGES:
        person.go(page)
        person.until("it is drawn", "document.body.dataset.ready")
        wide, there = person.driver.execute_script(
            "return [document.documentElement.scrollWidth, document.documentElement.clientWidth]"
        )
        assert wide <= there, page


def test_axe_finds_nothing_serious(person: Person, tmp_path: Path) -> None:
    assert_axe_finds_nothing_serious(person, PAGES, "document.body.dataset.ready", tmp_path)
