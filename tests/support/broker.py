"""A real MQTT broker on loopback, without a file of its own."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.support.daemon import wait_until
from tests.support.ports import is_open

MOSQUITTO = shutil.which("mosquitto", path=f"{os.environ.get('PATH', '')}:/usr/sbin")


@contextmanager
def broker(folder: Path, port: int) -> Iterator[None]:
    """Run mosquitto."""
    assert MOSQUITTO is not None
    configuration = folder / "broker.conf"
    configuration.write_text(f"listener {port} 127.0.0.1\nallow_anonymous true\n")
    with (folder / "broker.log").open("wb") as log:
        process = subprocess.Popen([MOSQUITTO, "-c", str(configuration)], stderr=log)
    try:
        wait_until(lambda: is_open(port), "the broker listens")
        yield
    finally:
        process.terminate()
        process.wait()
