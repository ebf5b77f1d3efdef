"""How an engine tells what it is doing while it loads."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Protocol

#: stands before the name of an engine, whose library is then imported
LOADING = "loading the engine "

_REPEAT_SECONDS = 10.0


class Progress(Protocol):
    """Told what is being done; may raise to have it given up."""

    def __call__(self, text: str, *, building: bool = False) -> None:
        """Take note of `text`; `building` when it is part of what may take many minutes, once for this device."""
        ...


def silent(text: str, *, building: bool = False) -> None:
    """Tell nobody."""


@contextmanager
def repeated(progress: Progress, text: str) -> Iterator[None]:
    """Tell, as long as the context lasts, for how long what says nothing itself has been going on."""
    begun, ended = time.monotonic(), threading.Event()

    def tell() -> None:
        while not ended.wait(_REPEAT_SECONDS):
            progress(f"{text}: for {time.monotonic() - begun:.0f} s", building=True)

    progress(text, building=True)
    thread = threading.Thread(target=tell, daemon=True)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()
