"""A browser for the tests of a module."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from selenium import webdriver

from tests.support.browser import browser


@pytest.fixture(scope="module")
def driver() -> Iterator[webdriver.Chrome]:
    found = browser()
    yield found
    found.quit()
