"""How long a line takes: a picture is put into a folder, and comes out as an MQTT message and on a (stand-in) pin.

    python benchmarks/line.py [--pictures 200] [--backlog 500] [--lines 4 --frames 25 --seconds 20]

Prints p50 and p99, in milliseconds, of the bare detect call, of reading and decoding the file, which the line does and
the bare call does not, of both together, and of the line from the file's appearance to the pin and to the message at a
subscriber of a broker on loopback. Then how fast a line works off a folder full of pictures. Then several lines at
once: how many of their parts came out.
"""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

import cv2
import numpy as np
import paho.mqtt.client as paho
from paho.mqtt.enums import CallbackAPIVersion

from benchmarks.beginning import begin, command_line
from edge_agent.client.client import Client
from edge_agent.line.sources.folder import read_part
from edge_agent.line.sources.inotify import Watch
from edge_agent.line.tables.sources import Folder
from tests.support.daemon import running_daemon, wait_until
from tests.support.fakes import U8, write_echo

WIDTH, HEIGHT = 640, 480
MOSQUITTO = shutil.which("mosquitto", path=f"{os.environ.get('PATH', '')}:/usr/sbin")


class Running:
    """A line in a folder of its own, and when each of its parts came out."""

    def __init__(self, folder: Path, name: str, agent: str, broker: int) -> None:
        self.folder, self.pictures = folder / name, folder / name / "in"
        self.pictures.mkdir(parents=True)
        self.pin = self.folder / "pins"
        self.pin.mkdir()
        (self.folder / "line.toml").write_text(
            f'name = "{name}"\nsocket = "{agent}"\ncycle_ms = 5000\n[source]\nkind = "folder"\n'
            f'path = "{self.pictures}"\n'
            f'after = "delete"\nfrozen_frames = 0\n'
            f'[model]\nname = "echo"\n[[pin]]\non = "able"\npath = "{self.folder}/able"\n'
            f'[[pin]]\non = "pass"\npath = "{self.pin}/pass"\npulse_ms = 1\n'
            f'[[event]]\nname = "mqtt"\nsender = "mqtt"\nhost = "127.0.0.1"\nport = {broker}\ntopic = "{name}"\n'
            f'client_id = "{name}"\navailable = "{name}/available"\n'
        )
        self.told: dict[str, float] = {}
        self.client = paho.Client(CallbackAPIVersion.VERSION2)
        self.client.on_message = self._on_message
        self.client.connect("127.0.0.1", broker)
        self.client.subscribe(name, qos=1)
        self.client.loop_start()
        environment = os.environ | {"STATE_DIRECTORY": str(folder)}
        command = [sys.executable, "-m", "edge_agent", "line", str(self.folder / "line.toml")]
        with (self.folder / "log").open("wb") as log:
            self.process = subprocess.Popen(command, env=environment, stderr=log)
        able = self.folder / "able"
        wait_until(lambda: able.exists() and able.read_text() == "1\n", "the line can inspect")

    def _on_message(self, client: paho.Client, data: object, message: paho.MQTTMessage) -> None:
        now = time.perf_counter()
        text = message.payload.decode()
        self.told[text.partition('"part_id":"')[2].partition('"')[0]] = now

    def put(self, name: str, picture: Path) -> float:
        """Let a picture appear in the folder, whole; return when."""
        new = self.folder / name
        shutil.copy(picture, new)
        now = time.perf_counter()
        new.rename(self.pictures / name)
        return now

    def close(self) -> None:
        self.process.terminate()
        self.process.wait()
        self.client.disconnect()
        self.client.loop_stop()


def show(what: str, seconds: list[float]) -> None:
    """Print the middle, and what one in a hundred takes."""
    p50, p99 = np.percentile(np.array(seconds) * 1000, [50, 99])
    print(f"{what:40} p50 {p50:7.2f} ms   p99 {p99:7.2f} ms")


def show_over(what: str, seconds: list[float], bare: list[float]) -> None:
    """Print what is added to the bare detect call, in the middle and for one in a hundred."""
    p50, p99 = (np.percentile(seconds, [50, 99]) - np.percentile(bare, [50, 99])) * 1000
    print(f"{what + ', over the bare detect':40} p50 {p50:+7.2f} ms   p99 {p99:+7.2f} ms")


def measure_one(running: Running, agent: str, picture: Path, pixels: U8, count: int) -> None:
    """Send pictures one after the other; bare calls in between, so that both see the machine alike."""
    bare: list[float] = []
    reading: list[float] = []
    pins: list[float] = []
    messages: list[float] = []
    table = Folder(kind="folder", path="/", frozen_frames=0)
    watch = Watch(running.pin)
    with Client(agent) as client:
        for number in range(count):
            begun = time.perf_counter()
            client.detect("echo", pixels)
            bare.append(time.perf_counter() - begun)
            begun = time.perf_counter()
            read_part(table, picture)
            reading.append(time.perf_counter() - begun)
            watch.wait(0)
            name = f"part-{number}.bmp"
            begun = running.put(name, picture)
            while not watch.wait(5):
                pass
            pins.append(time.perf_counter() - begun)
            wait_until(lambda name=name: name in running.told, f"{name} is told")  # type: ignore[misc]
            messages.append(running.told[name] - begun)
    watch.close()
    show("bare detect", bare)
    show("reading the file", reading)
    show("reading and bare detect", [one + other for one, other in zip(reading, bare, strict=True)])
    show("file to pin", pins)
    show("file to MQTT message", messages)
    show_over("file to pin", pins, bare)
    show_over("file to MQTT message", messages, bare)


def measure_backlog(running: Running, picture: Path, count: int) -> None:
    """Put pictures into the folder all at once, and see how long the line takes for them."""
    names = {f"backlog-{number}.bmp" for number in range(count)}
    begun = time.perf_counter()
    for name in sorted(names):
        (running.folder / name).hardlink_to(picture)
        (running.folder / name).rename(running.pictures / name)
    wait_until(lambda: names <= running.told.keys(), "all that waited are told")
    print(f"{count} pictures at once: {count / (time.perf_counter() - begun):.1f} parts a second")


def measure_many(lines: list[Running], picture: Path, frames: float, seconds: float) -> None:
    """Put pictures into all lines at a rate, and count what comes out."""
    count = int(frames * seconds)
    slowest: list[float] = []

    def feed(running: Running) -> None:
        put = {}
        begun = time.perf_counter()
        for number in range(count):
            time.sleep(max(0.0, begun + number / frames - time.perf_counter()))
            name = f"many-{number}.bmp"
            put[name] = running.put(name, picture)
        wait_until(lambda: put.keys() <= running.told.keys(), f"all parts of {running.folder.name} are told")
        slowest.extend(running.told[name] - at for name, at in put.items())

    threads = [threading.Thread(target=feed, args=(running,)) for running in lines]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    print(f"{len(lines)} lines at {frames:g} pictures a second: {len(slowest)} of {count * len(lines)} parts told")
    show("file to MQTT message", slowest)


def main() -> None:
    """Measure."""
    parser = command_line("line", __doc__)
    parser.add_argument("--pictures", type=int, default=200)
    parser.add_argument("--backlog", type=int, default=500)
    parser.add_argument("--lines", type=int, default=4)
    parser.add_argument("--frames", type=float, default=25)
    parser.add_argument("--seconds", type=float, default=20)
    options = begin(parser)
    if MOSQUITTO is None:
        sys.exit("mosquitto is not installed: apt install mosquitto")
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        pixels = np.random.default_rng(0).integers(0, 99, (HEIGHT, WIDTH, 3)).astype(np.uint8)
        picture = folder / "picture.bmp"
        cv2.imwrite(str(picture), pixels)
        write_echo(folder / "models", width=WIDTH, height=HEIGHT, segmentation=False)
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = probe.getsockname()[1]
        (folder / "broker.conf").write_text(f"listener {port} 127.0.0.1\nallow_anonymous true\n")
        broker = subprocess.Popen([MOSQUITTO, "-c", str(folder / "broker.conf")], stderr=subprocess.DEVNULL)
        lines: list[Running] = []
        try:
            wait_until(lambda: not _refuses(port), "the broker listens")
            with running_daemon(folder) as daemon:
                daemon.stub.start("echo")
                lines.append(Running(folder, "line-0", daemon.socket, port))
                measure_one(lines[0], daemon.socket, picture, pixels, options.pictures)
                measure_backlog(lines[0], picture, options.backlog)
                lines += [Running(folder, f"line-{n}", daemon.socket, port) for n in range(1, options.lines)]
                measure_many(lines, picture, options.frames, options.seconds)
                for running in lines:
                    running.close()
        finally:
            for running in lines:
                running.close()
            broker.terminate()
            broker.wait()


def _refuses(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) != 0


if __name__ == "__main__":
    main()
