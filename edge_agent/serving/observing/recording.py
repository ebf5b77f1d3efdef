"""How the writing down of verdicts and the keeping of pictures stand, as the processes that do it have said."""

from __future__ import annotations

import asyncio

from edge_agent.records.pictures.child import PictureKeeping
from edge_agent.records.recorder import Recorder
from edge_agent.serving.observing.readings import RecordsReading

#: of a scrape right after the start: a process has begun, and read its files, in a fraction of that
_PATIENCE = 3.0


async def first_words(recorder: Recorder | None, pictures: PictureKeeping | None) -> None:
    """Wait a moment until both have said how they stand.

    Events that were sent and pictures that are stored are counted on from one daemon to the next: a 0 that stands for
    "not known yet" would look like a restart, and the figure after it like as many new events. What is written and lost
    begins at 0 with each daemon.
    """
    await asyncio.gather(*(one.first_word(_PATIENCE) for one in (recorder, pictures) if one is not None))


def read_records(recorder: Recorder | None, pictures: PictureKeeping | None) -> RecordsReading | None:
    """Tell how the writing down of verdicts stands; None where they are not."""
    if recorder is None:
        return None
    state = recorder.state
    lost = 0 if pictures is None else pictures.lost
    return RecordsReading(
        state.written, recorder.lost, recorder.waiting + state.waiting, recorder.pictures_kept,
        recorder.pictures_skipped + lost, state.drifts, recorder.watches_drift, state.size, state.events,
        () if pictures is None else pictures.stock,
    )  # fmt: skip
