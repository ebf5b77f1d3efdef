"""What the page's options become on the command line."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from edge_agent.errors import StudioError
from edge_agent.studio.jobs.importing import import_dataset
from edge_agent.studio.jobs.kinds import TrainOptions, train
from edge_agent.studio.jobs.table import Jobs
from edge_agent.studio.store.store import Store
from tests.support.parts import write_folders


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    store = Store(tmp_path / "data")
    store.projects.create("part")
    import_dataset(store, "part", write_folders(tmp_path / "dataset", normal=2, anomaly=1), None)
    yield store
    store.close()


@pytest.mark.parametrize(
    ("options", "said", "unsaid"),
    [
        (TrainOptions(), ["--quality", "auto"], ["--speed", "--input-size"]),
        (TrainOptions(quality="normal"), ["--quality", "normal"], ["--speed", "--input-size"]),
        (TrainOptions(quality="best"), ["--quality", "best"], ["--speed", "--input-size"]),
        (TrainOptions(quality="speed"), ["--speed"], ["--quality", "--input-size"]),
        (TrainOptions(quality="normal", input_size="64x96"), ["--input-size", "64x96"], ["--quality", "--speed"]),
        (TrainOptions(input_size="64x96"), ["--input-size", "64x96"], ["--quality", "--speed"]),
    ],
)
def test_the_chosen_quality_is_what_is_trained_with(
    store: Store, options: TrainOptions, said: list[str], unsaid: list[str]
) -> None:
    jobs = Jobs(store)
    command = jobs.about(train(store, jobs, "part", options))["command"]
    place = command.index(said[0])
    assert command[place : place + len(said)] == said
    assert not set(unsaid) & set(command)


@pytest.mark.parametrize("quality", ["best", "speed"])
def test_a_quality_with_a_size_of_its_own_is_refused_beside_another(store: Store, quality: str) -> None:
    options = TrainOptions(quality=quality, input_size="64x96")  # type: ignore[arg-type]
    with pytest.raises(StudioError, match=f"quality '{quality}': expected one"):
        train(store, Jobs(store), "part", options)
