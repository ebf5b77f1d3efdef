"""Take the pictures of the studio that the documentation shows: `python docs/screenshots.py [FOLDER]`.

Needs chromium and chromedriver. Everything on them is real: the sample part, a model that is trained for it, an agent
that serves it; only the week before now, which the dashboard counts, is made up.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import shutil
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

import numpy as np  # noqa: E402  # what is imported from here on may lie beside this folder
from PIL import Image  # noqa: E402
from selenium import webdriver  # noqa: E402
from selenium.webdriver.common.by import By  # noqa: E402

from edge_agent.client.client import Client  # noqa: E402
from edge_agent.inference.imaging.picture import read_picture  # noqa: E402
from edge_agent.records.store.writer import RecordWriter  # noqa: E402
from tests.support.daemon import running_daemon, wait_until  # noqa: E402
from tests.support.records import record  # noqa: E402
from tests.support.studio import Studio, running_studio  # noqa: E402

_HOUR = 3600 * 1_000_000
_SIZE = (1440, 900)


def write_week(state: Path) -> None:
    """Write down a week of a line whose share of anomalies rises on one day."""
    rng = np.random.default_rng(3)
    writer = RecordWriter(state / "records", days=90, mib=64)
    begun = (time.time_ns() // 1000 // _HOUR - 168) * _HOUR
    for hour in range(167):
        share = 0.09 if 90 <= hour < 96 else 0.02
        batch = []
        for number in range(300):
            bad = rng.random() < share
            score = float(rng.beta(14, 3) if bad else rng.beta(1.4, 22))
            kind = "dent" if rng.random() < 0.25 else "scratch"
            batch.append(
                record(
                    begun + hour * _HOUR + number * 12_000_000, model="flange", anomalous=score >= 0.5, score=score,
                    areas={kind: rng.uniform(0.002, 0.02)} if score >= 0.5 else {},
                    milliseconds=rng.lognormal(3.1, 0.15),
                )
            )  # fmt: skip
        writer.write(batch)
    writer.close()


def teach(studio: Studio) -> None:
    """Make the sample's project, train a model, take its masks for the anomalies and train again, and deploy that."""
    studio.job(studio.post("/demo", {"name": "flange"})["job"])
    studio.send("PATCH", "/projects/flange", {"labels": [{"name": "scratch", "color": "#E8540C"}]})
    studio.job(studio.post("/projects/flange/train", {"locate": True})["job"])
    anomalous = studio.get("/projects/flange/picture-numbers?class=anomaly")
    studio.job(studio.post("/projects/flange/models/1.0.0/try", {"pictures": anomalous})["job"])
    for number in anomalous:
        mask = studio.ask("GET", f"/api/projects/flange/pictures/{number}/mask?of=proposal").content
        studio.ask("PUT", f"/api/projects/flange/pictures/{number}/mask?revision=0", bytes(map(bool, mask)))
    studio.job(studio.post("/projects/flange/models/1.0.0/evaluate", {})["job"])
    studio.post("/projects/flange/models/1.0.0/threshold", {"threshold": 0.4})
    studio.post("/device/deploy", {"project": "flange", "version": "1.0.0"})
    wait_until(lambda: studio.get("/device")["models"], "the agent sees it")
    studio.post("/device/start", {"model": "flange"})
    wait_until(lambda: studio.get("/device")["models"][0]["status"] == "RUNNING", "it runs")


@contextlib.contextmanager
def browser() -> Iterator[Any]:
    chromium, driver = shutil.which("chromium"), shutil.which("chromedriver")
    if chromium is None or driver is None:
        sys.exit("chromium and chromedriver are not installed")
    options = webdriver.ChromeOptions()
    options.binary_location = chromium
    for flag in ("--headless=new", "--no-sandbox", "--disable-gpu", "--hide-scrollbars", "--lang=en"):
        options.add_argument(flag)
    found = webdriver.Chrome(options=options, service=webdriver.ChromeService(driver))
    size = {"width": _SIZE[0], "height": _SIZE[1], "deviceScaleFactor": 1, "mobile": False}
    found.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
    try:
        yield found
    finally:
        found.quit()


def take(page: Any, studio: Studio, socket: str, output: Path) -> None:
    """Take all of them."""

    def open_(path: str, ready: str = "document.body.dataset.ready") -> None:
        page.get(studio.address.replace("127.0.0.1", "localhost") + path)
        wait_until(lambda: page.execute_script(f"return {ready}"), f"{path} is drawn")
        time.sleep(1)  # pictures that come last

    def shot(name: str) -> None:
        # 256 colours are enough for these, and a third of the bytes.
        with Image.open(io.BytesIO(page.get_screenshot_as_png())) as seen:
            seen.convert("RGB").quantize(256).save(output / f"{name}.png", optimize=True)

    whole = "[...document.images].filter((i) => i.src && !i.hidden).every((i) => i.complete && i.naturalWidth)"
    open_("/projects/flange", f"document.querySelectorAll('.tile img[src]').length > 10 && {whole}")
    shot("studio")
    number = studio.get("/projects/flange/picture-numbers?class=anomaly")[0]
    open_(f"/projects/flange/paint/{number}?class=anomaly")
    shot("paint")
    open_("/projects/flange/models", "document.querySelectorAll('#models tbody').length === 2")
    page.find_element(By.CSS_SELECTOR, "[data-do=look]:not([hidden])").click()
    time.sleep(2)
    page.execute_script("scrollTo(0, document.querySelector('#models').getBoundingClientRect().top + scrollY - 60)")
    time.sleep(1)
    shot("models")
    page.get("about:blank")
    pictures = sorted((studio.data / "projects/flange/pictures").glob("*.png"))
    open_("/live?model=flange")
    with Client(socket) as client:
        for path in [*pictures[-14:], *pictures[:2]]:
            client.detect("flange", read_picture(path))
            time.sleep(0.5)
        time.sleep(1)
        shot("live")
        for path in [*pictures[:10], *pictures[-6:], *pictures[10:20]]:
            kept = len(studio.get("/records?model=flange&pictured=true")["records"])
            client.detect("flange", read_picture(path))
            with contextlib.suppress(AssertionError):  # a busy machine skips some
                end = time.monotonic() + 3
                while len(studio.get("/records?model=flange&pictured=true")["records"]) == kept:
                    assert time.monotonic() < end
                    time.sleep(0.2)
    take_line(page, studio, open_, shot)
    open_("/dashboard?model=flange&span=1w")
    shot("dashboard")
    open_("/records?model=flange&pictured=true", f"document.body.dataset.ready && {whole}")
    shot("verdicts")


def take_line(page: Any, studio: Studio, open_: Callable[..., None], shot: Callable[[str], None]) -> None:
    """Take a line at work, and the editor of its file with two mistakes."""
    camera = studio.data.parent / "camera1"
    camera.mkdir()
    pins = {name: f"{studio.data.parent}/{name}" for name in ("reject_pin", "able_pin")}
    asked = {"name": "flange-1", "place": str(camera), "model": "flange", "pin": "file", "events_host": "127.0.0.1"}
    text = studio.post("/line-compose", {**asked, **pins})["text"]
    studio.send("PUT", "/lines/flange-1/file", {"text": text})
    studio.post("/lines/flange-1/start")
    pictures = sorted((studio.data / "projects/flange/pictures").glob("*.png"))
    for number, path in enumerate([*pictures[-6:], *pictures[:1]]):
        shutil.copyfile(path, camera / f".{number}")
        (camera / f".{number}").rename(camera / f"{number + 4711}.png")
        wait_until(lambda: not list(camera.glob("*.png")), "it is decided")
    open_("/lines/flange-1", "document.querySelector('.now .picture')?.naturalWidth")
    time.sleep(1)  # the status comes once a second
    shot("line")
    open_("/lines/flange-1/edit")
    wrong = text.replace("cycle_ms", "cycle").replace('after = "move"', 'after = "archive"')
    script = "const t = document.querySelector('#text'); t.value = arguments[0]; t.dispatchEvent(new Event('input'));"
    page.execute_script(script, wrong)
    wait_until(
        lambda: page.execute_script("return document.querySelectorAll('#notes li').length === 2"), "both are told"
    )
    shot("line-edit")
    page.execute_script(script, text)
    studio.post("/lines/flange-1/stop")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("output", nargs="?", type=Path, default=ROOT / "docs" / "images", help="else docs/images")
    output = parser.parse_args().output
    output.mkdir(parents=True, exist_ok=True)  # now, not after minutes of work
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        write_week(folder / "state")
        with running_daemon(folder, "--keep-mib", "64", "--keep", "anomalous", "--keep", "normal=1") as daemon:
            arguments = ("--state-dir", str(folder / "state"), "--deploy-to", str(folder / "models"))
            environment = {"STATE_DIRECTORY": str(folder / "lines")}
            with running_studio(folder / "data", *arguments, agent=daemon.socket, environment=environment) as studio:
                teach(studio)
                with browser() as page:
                    take(page, studio, daemon.socket, output)


if __name__ == "__main__":
    main()
