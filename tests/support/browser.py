"""A real browser, and a person in front of it."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, TypeVar

import pytest
from selenium import webdriver
from selenium.common.exceptions import (
    JavascriptException,
    NoAlertPresentException,
    StaleElementReferenceException,
    WebDriverException,
)
from selenium.webdriver.common.action_chains import ActionChains
from selenium.webdriver.common.by import By
from selenium.webdriver.remote.webelement import WebElement

from tests.support.daemon import PATIENCE, wait_until
from tests.support.studio import Studio

BROWSER, DRIVER = shutil.which("chromium"), shutil.which("chromedriver")
#: a folder for pictures of the pages, to be looked at
SHOTS = os.environ.get("EDGE_AGENT_SCREENSHOTS")

#: of every file of tests with a browser
WITH_A_BROWSER = [
    pytest.mark.long,
    pytest.mark.skipif(None in (BROWSER, DRIVER), reason="chromium and chromedriver are not installed"),
]

_T = TypeVar("_T")


class Person:
    """Somebody in front of a browser. Pages draw when they hear of something: what was there may be another by now."""

    def __init__(self, driver: webdriver.Chrome, studio: Studio) -> None:
        self.driver, self.studio = driver, studio

    def go(self, path: str) -> None:
        """Open a page, and wait until its scripts have run: a person does not act before they see something."""
        self.driver.get(self.studio.address.replace("127.0.0.1", "localhost") + path)
        ready = "document.documentElement.dataset.ready || !document.querySelector('script[type=module]')"
        self.until(f"the scripts of {path} have run", ready)

    def find(self, selector: str) -> WebElement:
        found: WebElement = wait_until(lambda: self.driver.find_elements(By.CSS_SELECTOR, selector), selector)[0]
        return found

    def count(self, selector: str) -> int:
        return len(self.driver.find_elements(By.CSS_SELECTOR, selector))

    def _patiently(self, act: Callable[[], _T | None], what: str) -> _T:
        """Do something that gives something true as soon as it can be done, with an element as it is then."""

        def attempt() -> _T | None:
            try:
                return act()
            except StaleElementReferenceException:  # drawn anew meanwhile
                return None

        done: _T = wait_until(attempt, what)
        return done

    def click(self, selector: str) -> None:
        def click() -> bool:
            element = self.find(selector)
            if not (element.is_displayed() and element.is_enabled()):
                return False
            element.click()
            return True

        self._patiently(click, f"{selector} can be pressed")

    def type(self, selector: str, *keys: str) -> None:
        """Send keys to an element."""

        def send() -> bool:
            self.find(selector).send_keys(*keys)
            return True

        self._patiently(send, f"{selector} takes keys")

    def accept(self) -> None:
        """Say yes to what the page asks."""

        def say_yes() -> bool:
            try:
                self.driver.switch_to.alert.accept()
            except NoAlertPresentException:
                return False
            return True

        wait_until(say_yes, "the page asks")

    def enter(self, frame: str, ready: str) -> None:
        """Look into a frame, when the script `ready` says that its page is there."""

        def look() -> Any:
            try:
                self.driver.switch_to.default_content()
                self.driver.switch_to.frame(self.find(frame))
                return self.driver.execute_script(f"return {ready}")
            except WebDriverException:  # it is being replaced by the page that it will show
                return None

        wait_until(look, f"{frame} shows its page")

    def press(self, *keys: str) -> None:
        ActionChains(self.driver).send_keys(*keys).perform()

    def text(self, selector: str) -> str:
        return self._patiently(lambda: [self.find(selector).text], selector)[0]

    def until(self, what: str, script: str) -> Any:
        """Wait until a script gives something true; it may fail on the page that is being left."""
        trouble: list[str] = []

        def look() -> Any:
            try:
                return self.driver.execute_script(f"return {script}")
            except (JavascriptException, StaleElementReferenceException) as error:
                trouble[:] = [str(error.msg)]
                return None

        try:
            return wait_until(look, what)
        except AssertionError as error:
            raise AssertionError(f"{error}; {script} {trouble}") from None

    def until_text(self, selector: str, said: str, *, whole: bool = False) -> None:
        """Wait until an element says something, and if `whole`, nothing else."""
        seen = [""]

        def says() -> bool:
            seen[0] = self.text(selector)
            return seen[0] == said if whole else said in seen[0]

        try:
            wait_until(says, f"{selector} says {said!r}")
        except AssertionError as error:
            raise AssertionError(f"{error}; it says {seen[0]!r}") from None

    def until_class(self, project: str, name: str) -> None:
        def has_class() -> Any:
            return self.studio.get(f"/projects/{project}/pictures?name={name}")["pictures"][0]["class"]

        wait_until(has_class, f"{name} has a class")

    def shot(self, name: str) -> None:
        if SHOTS:
            Path(SHOTS).mkdir(parents=True, exist_ok=True)
            self.driver.save_screenshot(str(Path(SHOTS) / f"{name}.png"))

    def complaints(self) -> list[str]:
        """Return what the browser's console has complained of."""
        entries: list[dict[str, str]] = self.driver.get_log("browser")  # type: ignore[no-untyped-call]
        return [entry["message"] for entry in entries if entry["level"] == "SEVERE"]


def browser() -> webdriver.Chrome:
    """Start one; who asks for it ends it."""
    assert BROWSER
    assert DRIVER
    options = webdriver.ChromeOptions()
    options.binary_location = BROWSER
    # Where /dev/shm is as small as a container's usually is, a browser in it dies when others fill that.
    for flag in ("--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--window-size=1366,900",
                 "--lang=en"):  # fmt: skip
        options.add_argument(flag)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    made = webdriver.Chrome(options=options, service=webdriver.ChromeService(DRIVER))
    made.set_script_timeout(PATIENCE)
    made.set_page_load_timeout(PATIENCE)
    return made


def assert_axe_finds_nothing_serious(person: Person, pages: Iterable[str], ready: str, folder: Path) -> None:
    """Let axe-core, which npm installs into `folder`, look at pages in both themes, when the script `ready` says so."""
    npm = shutil.which("npm")
    if npm is None:
        pytest.skip("npm is not installed, which brings axe-core")
    command = [npm, "install", "--no-audit", "--no-fund", "--prefix", str(folder), "axe-core@4"]
    done = subprocess.run(command, capture_output=True, check=False)
    script = folder / "node_modules" / "axe-core" / "axe.min.js"
    if done.returncode or not script.is_file():
        pytest.skip("axe-core can't be had from npm here")
    person.go("/")
    for theme in ("light", "dark"):
        person.driver.execute_script(f"localStorage.setItem('theme', '{theme}')")  # for the pages that come
        for page in pages:
            person.go(page)
            person.find("main")
            person.until("it is drawn", ready)
            person.driver.execute_script(script.read_text(encoding="utf-8"))
            found = person.driver.execute_async_script(
                "const done = arguments[arguments.length - 1]; axe.run(document).then((r) => done(r.violations))"
            )
            serious = [
                f"{page} ({theme}): {v['id']}: {v['nodes'][0]['html'][:200]}"
                for v in found
                if v["impact"] in ("serious", "critical")
            ]
            assert not serious, "\n".join(serious)
