"""A browser for the tests of a module, a studio of its own, and the sample part in it."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from selenium import webdriver

from tests.support.browser import Person, browser
from tests.support.flange import until_step
from tests.support.studio import Studio, running_studio


@pytest.fixture(scope="module")
def driver() -> Iterator[webdriver.Chrome]:
    found = browser()
    yield found
    found.quit()


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
