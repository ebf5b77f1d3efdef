"""A real browser, and a person in front of it."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest
from selenium import webdriver
from selenium.webdriver.common.action_chains import ActionChains
from selenium.webdriver.common.by import By
from selenium.webdriver.remote.webelement import WebElement

from tests.support.daemon import wait_until
from tests.support.studio import Studio

BROWSER, DRIVER = shutil.which("chromium"), shutil.which("chromedriver")
#: a folder for pictures of the pages, to be looked at
SHOTS = os.environ.get("EDGE_AGENT_SCREENSHOTS")

#: of every file of tests with a browser
WITH_A_BROWSER = [
    pytest.mark.long,
    pytest.mark.skipif(None in (BROWSER, DRIVER), reason="chromium and chromedriver are not installed"),
]


class Person:
    """Somebody in front of a browser."""

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

    def click(self, selector: str) -> None:
        element = self.find(selector)
        wait_until(lambda: element.is_displayed() and element.is_enabled(), f"{selector} can be pressed")
        element.click()

    def press(self, *keys: str) -> None:
        ActionChains(self.driver).send_keys(*keys).perform()

    def text(self, selector: str) -> str:
        text: str = self.find(selector).text
        return text

    def until(self, what: str, script: str) -> Any:
        return wait_until(lambda: self.driver.execute_script(f"return {script}"), what)

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
    for flag in ("--headless=new", "--no-sandbox", "--disable-gpu", "--window-size=1366,900", "--lang=en"):
        options.add_argument(flag)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    return webdriver.Chrome(options=options, service=webdriver.ChromeService(DRIVER))


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
    for theme in ("light", "dark"):
        for page in pages:
            person.go(page)
            person.driver.execute_script(f"localStorage.setItem('theme', '{theme}')")
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
