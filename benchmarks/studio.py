"""How the studio feels: `python -m benchmarks.studio [--seconds 6] [--pictures 10000]`; needs chromium, chromedriver.

Claims: the first page within 1 s of asking and less than 120 MB idle; a grid of 10,000 pictures scrolls, and a stroke
over a mask of 4096x4096 is drawn, within a frame of 16 ms; a viewer of the line costs a call next to nothing. The page
counts its frames itself, with requestAnimationFrame, in a headless Chromium that draws on the processor: what the
scripts take, and how much longer a frame with a stroke is than one without, say more than the frames themselves.
"""

from __future__ import annotations

import contextlib
import shutil
import statistics
import subprocess
import sys
import tempfile
import threading
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import psutil
from PIL import Image

from benchmarks.beginning import begin, command_line
from benchmarks.rig import machine, quantile
from edge_agent.client.client import Client
from edge_agent.studio.store.pictures import place_of
from edge_agent.studio.store.projects import Label
from edge_agent.studio.store.store import Store
from tests.support.daemon import running_daemon
from tests.support.fakes import picture, write_echo
from tests.support.studio import Studio, running_studio

_SIDE = 4096
_ORIGINALS = 200  # different thumbnails; the grid does not know that they repeat
_SCROLL = """
const done = arguments[arguments.length - 1], seconds = arguments[0];
const grid = document.querySelector('#grid'), frames = [], begun = performance.now();
let last = begun;
function step(now) {
  frames.push(now - last); last = now;
  grid.scrollTop += 60;
  if (now - begun < seconds * 1000) requestAnimationFrame(step); else done(frames.slice(1));
}
requestAnimationFrame(step);
"""
_PAINT = """
const done = arguments[arguments.length - 1], hand = arguments[0], stage = document.querySelector('#stage');
const box = stage.getBoundingClientRect(), events = [], scripts = [], frames = [], tasks = [];
const fire = (kind, x, y) => stage.dispatchEvent(new PointerEvent(kind, { pointerId: 1, button: 0, buttons: 1,
  clientX: box.left + x, clientY: box.top + y, bubbles: true }));
const timed = (work) => { const begun = performance.now(); work(); return performance.now() - begun; };
stage.setPointerCapture = () => {};
new PerformanceObserver((list) => tasks.push(...list.getEntries().map((e) => e.duration)))
  .observe({ type: 'longtask' });
// What the page does in a frame is measured around its own callbacks.
const ask = window.requestAnimationFrame.bind(window);
window.requestAnimationFrame = (work) => ask((now) => scripts.push(timed(() => work(now))));
let at = 0, last = performance.now();
if (hand) fire('pointerdown', box.width * 0.3, box.height * 0.3);
function step(now) {
  frames.push(now - last); last = now;
  const [x, y] = [box.width * (0.3 + 0.4 * at / 120), box.height * (0.3 + 0.3 * Math.abs(Math.sin(at / 10)))];
  // A mouse says where it is several times a frame.
  if (hand) for (let part = 0; part < 4; part += 1) events.push(timed(() => fire('pointermove', x + part, y)));
  if (++at < 120) ask(step);
  else {
    const end = hand ? timed(() => fire('pointerup', box.width * 0.7, box.height * 0.3)) : 0;
    window.requestAnimationFrame = ask;
    setTimeout(() => done({ events, scripts, frames: frames.slice(1), end, tasks }), 1000);
  }
}
ask(step);
"""


def fill(data: Path, count: int) -> int:
    """Make a project of `count` pictures, and one of 4096x4096, whose number is returned."""
    rng = np.random.default_rng(1)
    store = Store(data)
    with contextlib.closing(store):
        store.projects.create("grid", "")
        store.projects.create("large", "")
        numbers = []
        for number in range(_ORIGINALS):
            path = data / f"made-{number}.png"
            Image.fromarray(rng.integers(0, 255, (24, 32, 3), np.uint8)).resize((320, 240)).save(path)
            numbers.append(store.pictures.add("grid", f"p{number:05d}.png", path).id)
        folder = store.layout.project("grid")
        with store.database.writing() as write:
            for number in range(_ORIGINALS, count):
                file = f"p{number:05d}.png"
                made = write.execute(
                    "INSERT INTO pictures (project, file, place, bytes, width, height, digest, added, changed_by)"
                    " SELECT project, ?, ?, bytes, width, height, ?, added, changed_by FROM pictures WHERE id = ?",
                    (file, place_of(file), f"{number:064x}", numbers[number % _ORIGINALS]),
                ).lastrowid
                small = folder / "thumbnails" / f"{numbers[number % _ORIGINALS]}.jpg"
                (folder / "thumbnails" / f"{made}.jpg").symlink_to(small)
        path = data / "large.png"
        Image.fromarray(rng.integers(0, 255, (64, 64, 3), np.uint8)).resize((_SIDE, _SIDE)).save(path, compress_level=1)
        store.projects.change("large", labels=[Label("scratch", "#2CA02C")])
        return store.pictures.add("large", "large.png", path).id


@contextlib.contextmanager
def browser() -> Iterator[Any]:
    from selenium import webdriver

    chromium, driver = shutil.which("chromium"), shutil.which("chromedriver")
    if chromium is None or driver is None:
        sys.exit("chromium and chromedriver are not installed")
    options = webdriver.ChromeOptions()
    options.binary_location = chromium
    for flag in ("--headless=new", "--no-sandbox", "--disable-gpu", "--window-size=1440,900"):
        options.add_argument(flag)
    found = webdriver.Chrome(options=options, service=webdriver.ChromeService(driver))
    found.set_script_timeout(120)
    try:
        yield found
    finally:
        found.quit()


def until(page: Any, script: str) -> None:
    end = time.monotonic() + 60
    while not page.execute_script(f"return {script}"):
        if time.monotonic() > end:
            sys.exit(f"waited 60 s in vain for {script}")
        time.sleep(0.05)


def told(what: str, values: list[float]) -> None:
    late = sum(value > 17 for value in values) / len(values)
    print(f"  {what:34} median {statistics.median(values):5.1f} ms, 99 % within {quantile(values, 0.99):5.1f} ms, "
          f"worst {max(values):5.1f} ms, over 17 ms: {late:.1%}")  # fmt: skip


def first_page(data: Path) -> None:
    """Say how long a studio takes from its start to its first page, and what it holds when nobody is there."""
    begun = time.perf_counter()
    with running_studio(data) as studio:
        started = time.perf_counter() - begun
        time.sleep(2)
        memory = psutil.Process(studio.process.pid).memory_full_info()
        taken = []
        for _ in range(5):
            begun = time.perf_counter()
            urllib.request.urlopen(studio.address + "/").read()
            taken.append(time.perf_counter() - begun)
        with browser() as page:
            page.get(studio.address.replace("127.0.0.1", "localhost") + "/")
            until(page, "document.querySelector('#projects')?.children.length")
            shown = page.execute_script(
                "return performance.getEntriesByType('paint').find((e) => e.name.startsWith('first-cont')).startTime"
            )
    print(f"  from its start to an answer {started:.2f} s; the first page {max(taken) * 1000:.0f} ms, "
          f"drawn by a browser {shown:.0f} ms after it was asked for")  # fmt: skip
    print(f"  idle: {memory.uss / 1e6:.0f} MB of its own, {memory.rss / 1e6:.0f} MB in memory")


def pages(studio: Studio, large: int, count: int, seconds: float) -> None:
    """Scroll and paint."""
    with browser() as page:
        address = studio.address.replace("127.0.0.1", "localhost")
        page.get(address + "/projects/grid")
        until(page, "document.querySelectorAll('.tile img[src]').length > 10")
        told(f"scrolling {count} pictures", page.execute_async_script(_SCROLL, seconds))
        page.get(f"{address}/projects/large/paint/{large}")
        until(page, "document.body.dataset.ready")
        for size in (12, 200):
            page.execute_script(
                "const i = window.size; i.value = arguments[0]; i.dispatchEvent(new Event('input'))",
                size,
            )
            still = page.execute_async_script(_PAINT, False)
            found = page.execute_async_script(_PAINT, True)
            print(f"  a stroke of {size} px over {_SIDE}x{_SIDE}, in the page's own scripts:")
            told("  an event of the pointer", found["events"])
            told("  a frame", found["scripts"])
            print(f"    its end                          {found['end']:5.1f} ms; tasks of more than 50 ms, "
                  f"from its start to a second after it: {[round(task) for task in found['tasks']]}")  # fmt: skip
            told("  from one frame to the next", found["frames"])
            told("  the same while nothing is drawn", still["frames"])
            median, without = statistics.median(found["frames"]), statistics.median(still["frames"])
            print(f"    a frame while it is drawn takes {median / without:.2f} times one in which nothing is: "
                  f"{median - without:+.1f} ms")  # fmt: skip
            until(page, "document.querySelector('#state').dataset.state === 'saved'")


def viewer(folder: Path, seconds: float) -> None:
    """Say what somebody who watches the line costs a call: with and without in turn, in one run."""
    write_echo(folder / "models", "echo", 1280, 960)
    with running_daemon(folder) as daemon:
        daemon.stub.start("echo")
        state = ("--state-dir", str(folder / "state"))
        with running_studio(folder / "data", *state, agent=daemon.socket) as studio, Client(daemon.socket) as client:
            drawn = picture(120, 1280, 960)
            taken: dict[bool, list[float]] = {False: [], True: []}
            for turn in range(6):
                watched = bool(turn % 2)
                stop = threading.Event()
                reader = threading.Thread(target=_watch, args=(studio, stop))
                if watched:
                    reader.start()
                    time.sleep(1.5)
                end = time.monotonic() + seconds / 2
                while time.monotonic() < end:
                    begun = time.perf_counter()
                    client.detect("echo", drawn)
                    taken[watched].append(time.perf_counter() - begun)
                    time.sleep(0.02)
                stop.set()
                if watched:
                    reader.join()
    alone, seen = (statistics.median(taken[watched]) * 1000 for watched in (False, True))
    print(f"  a call of 1280x960 every 20 ms: median {alone:.2f} ms, while somebody watches {seen:.2f} ms: "
          f"{seen / alone:.2f} times; 99 % within {quantile(taken[False], 0.99) * 1000:.1f} and "
          f"{quantile(taken[True], 0.99) * 1000:.1f} ms")  # fmt: skip


def _watch(studio: Studio, stop: threading.Event) -> None:
    with urllib.request.urlopen(studio.address + "/api/live/events", timeout=10) as stream:
        while not stop.is_set():
            stream.readline()


def main() -> None:
    parser = command_line("studio", __doc__)
    parser.add_argument("--seconds", type=float, default=6.0, help="for scrolling, and for each turn of the viewer")
    parser.add_argument("--pictures", type=int, default=10_000, help="in the grid")
    wanted = begin(parser)
    print(machine())
    with contextlib.suppress(OSError, subprocess.CalledProcessError):
        print(subprocess.run(["chromium", "--version"], capture_output=True, text=True, check=True).stdout.strip())
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        first_page(folder / "empty")
        large = fill(folder / "full", wanted.pictures)
        with running_studio(folder / "full") as studio:
            pages(studio, large, wanted.pictures, wanted.seconds)
        (folder / "line").mkdir()
        viewer(folder / "line", wanted.seconds)


if __name__ == "__main__":
    main()
