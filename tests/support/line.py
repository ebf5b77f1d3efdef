"""A line under test: `edge-agent line` in a process of its own, with everything that it has in one folder."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import psutil
from PIL import Image

from edge_agent.line.sources.source import Part, Source, SourceFailed
from tests.support.daemon import PATIENCE, wait_until, whole_lines
from tests.support.fakes import U8, picture

#: long enough that a busy machine decides each part within it
CYCLE_MS = 3000


def next_part(source: Source) -> Part:
    """Wait for the next part of a source that may fail before it comes."""

    def find() -> Part | None:
        try:
            return source.next(0.1)
        except SourceFailed:
            return None

    return wait_until(find, "a part comes")  # type: ignore[no-any-return]


def trouble_of(source: Source) -> str:
    """Ask a source for a part, and tell why it can give none; "" for nothing."""
    try:
        source.next(0.05)
    except SourceFailed as error:
        return str(error)
    return ""


class Line:
    """`edge-agent line` with a source, a folder if none is given, two pins and a file of events."""

    def __init__(
        self,
        folder: Path,
        socket: str,
        more: str = "",
        source: str = "",
        environment: Mapping[str, str] = os.environ,
        model: str = '[model]\nname = "echo"\n',
        cycle_ms: int = CYCLE_MS,
        keys: str = "",
    ) -> None:
        self.folder, self.pictures = folder, folder / "in"
        self.pictures.mkdir(parents=True)
        self.file = folder / "line.toml"
        source = source or f'kind = "folder"\npath = "{self.pictures}"'
        self.file.write_text(
            f'name = "flange"\ncycle_ms = {cycle_ms}\nsocket = "{socket}"\n{keys}'
            f"[source]\n{source}\n"
            f"{model}"
            f'[[rule]]\nverdict = "any"\nconfidence_below = 0.6\noutcome = "look"\n[[rule]]\n'
            f'[[pin]]\non = "able"\npath = "{folder}/able"\n'
            f'[[pin]]\non = "reject"\npath = "{folder}/reject"\nsafe = 1\n'
            f'[[event]]\nname = "log"\nsender = "file"\npath = "{folder}/events"\nnotices = true\n{more}'
        )
        self.environment = dict(environment) | {"XDG_STATE_HOME": str(folder / "state"), "STATE_DIRECTORY": str(folder)}
        self.process: subprocess.Popen[bytes] | None = None

    def start(self, *options: str) -> None:
        with (self.folder / "log").open("ab") as log:
            command = [sys.executable, "-m", "edge_agent", "line", str(self.file)]
            if options:
                command[4:] = ["run", str(self.file), *options]
            self.process = subprocess.Popen(command, stderr=log, stdout=log, env=self.environment)

    def command(self, *arguments: object) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", "edge_agent", "line", *map(str, arguments)],
            capture_output=True, text=True, check=False, env=self.environment,
        )  # fmt: skip

    def inspecting(self) -> psutil.Process:
        """Give the process that inspects; not one that has ended and has not been waited for yet."""
        assert self.process is not None
        line = psutil.Process(self.process.pid)

        def living() -> psutil.Process | None:
            try:
                children = [child for child in line.children() if child.status() != psutil.STATUS_ZOMBIE]
            except psutil.NoSuchProcess:  # it ends just now
                return None
            return children[0] if len(children) == 1 else None

        found: psutil.Process = wait_until(living, "it is there, and no other")
        return found

    def pin(self, name: str) -> str:
        path = self.folder / name
        return path.read_text().strip() if path.exists() else ""

    def wait_pin(self, name: str, level: str) -> None:
        wait_until(lambda: self.pin(name) == level, f"the pin {name} is {level}: {self.log()}")

    def is_able(self) -> bool:
        return self.pin("able") == "1"

    def wait_able(self) -> None:
        wait_until(self.is_able, f"the line can inspect: {self.log()}")

    def wait_safe(self) -> None:
        wait_until(lambda: (self.pin("able"), self.pin("reject")) == ("0", "1"), f"the pins are safe: {self.log()}")

    def log(self) -> str:
        return (self.folder / "log").read_text()

    def put(self, name: str, brightness: int) -> None:
        self.put_pixels(name, picture(brightness))

    def put_pixels(self, name: str, pixels: U8) -> None:
        Image.fromarray(pixels).save(self.folder / f"{name}.png")
        (self.folder / f"{name}.png").rename(self.pictures / f"{name}.png")

    def events(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in whole_lines(self.folder / "events")]

    def event_of(self, part: str) -> dict[str, Any]:
        def find() -> dict[str, Any] | None:
            return next((event for event in self.events() if event.get("part_id") == f"{part}.png"), None)

        found: dict[str, Any] = wait_until(find, f"part {part} is told: {self.log()}")
        return found

    def close(self) -> None:
        if self.process is None:
            return
        left = []
        if self.process.poll() is None:
            left = psutil.Process(self.process.pid).children(recursive=True)
            for process in left:
                with contextlib.suppress(psutil.Error):
                    process.send_signal(signal.SIGCONT)
            self.process.terminate()
            self.process.wait(PATIENCE)
        psutil.wait_procs(left, PATIENCE)
