"""Jobs in processes of their own: they can be ended, they outlive the studio, and a killed one is not forgotten."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import subprocess
from pathlib import Path

import pytest

from edge_agent.children.living import is_alive
from edge_agent.studio.jobs.runner import Runner, cancel
from edge_agent.studio.jobs.table import Jobs
from edge_agent.studio.store.store import Store
from tests.support.daemon import wait_until
from tests.support.parts import write_folders
from tests.support.server import end_jobs
from tests.support.studio import Studio, running_studio


def _prepared(studio: Studio, tmp_path: Path) -> None:
    dataset = write_folders(tmp_path / "dataset", normal=6, anomaly=4)
    studio.post("/projects", {"name": "part"})
    assert studio.job(studio.post("/projects/part/import", {"path": str(dataset)})["job"])["job"]["state"] == "done"


def _state(studio: Studio, number: int) -> str:
    state: str = studio.get(f"/jobs/{number}")["job"]["state"]
    return state


@pytest.mark.long
def test_a_job_goes_on_while_the_studio_is_away_and_is_taken_up_by_the_next(tmp_path: Path) -> None:
    data = tmp_path / "data"
    with running_studio(data) as studio:
        _prepared(studio, tmp_path)
        number = studio.post("/projects/part/train", {"task": "classification"})["job"]
        waiting = studio.post("/projects/part/train", {"task": "classification", "seed": 2, "version": "2.0.0"})["job"]
        wait_until(lambda: _state(studio, number) == "running", "the training runs")
        studio.process.send_signal(signal.SIGKILL)
        studio.process.wait()
        with running_studio(data) as other:
            assert other.job(number)["job"]["state"] == "done"
            assert other.job(waiting)["job"]["state"] == "done"
            assert [model["version"] for model in other.get("/projects/part/models")] == ["2.0.0", "1.0.0"]


@pytest.mark.long
def test_a_job_can_be_ended_and_leaves_no_model(tmp_path: Path) -> None:
    with running_studio(tmp_path / "data") as studio:
        _prepared(studio, tmp_path)
        number = studio.post("/projects/part/train", {"task": "classification"})["job"]
        wait_until(lambda: _state(studio, number) == "running", "the training runs")
        assert studio.post(f"/jobs/{number}/cancel")["state"] == "cancelled"
        after = studio.post("/projects/part/train", {"task": "classification"})["job"]
        assert studio.job(after)["job"]["state"] == "done"
        assert _state(studio, number) == "cancelled"
        assert [model["version"] for model in studio.get("/projects/part/models")] == ["1.0.0"]


def test_what_a_job_said_is_why_it_failed(tmp_path: Path) -> None:
    with running_studio(tmp_path / "data") as studio:
        studio.post("/projects", {"name": "part"})
        (tmp_path / "empty").mkdir()
        job = studio.job(studio.post("/projects/part/import", {"path": str(tmp_path / "empty")})["job"])["job"]
        assert job["state"] == "failed"
        assert str(tmp_path / "empty") in job["problem"]


def test_a_job_whose_process_was_killed_has_failed(tmp_path: Path) -> None:
    data = tmp_path / "data"
    with running_studio(data) as studio:
        _prepared(studio, tmp_path)
        number = studio.post("/projects/part/train", {"task": "classification"})["job"]
        wait_until(lambda: end_jobs(data), "its process is there, and is killed")  # before it can have ended by itself
        job = studio.job(number)["job"]
        assert job["state"] == "failed"
        assert "ended without a word" in job["problem"]


def test_the_studio_ends_at_once_while_a_job_runs(tmp_path: Path) -> None:
    with contextlib.closing(Store(tmp_path / "data")) as store:
        jobs = Jobs(store)
        number = jobs.prepare("part", "train", "a long one")
        jobs.queue(number, ["sleep", "600"])

        async def serve() -> None:
            runner = Runner(jobs, lambda job: None)
            runner.start()
            await asyncio.to_thread(wait_until, lambda: jobs.unended()[0]["process"], "the job runs")
            await runner.close()

        asyncio.run(serve())  # which waits for its threads
        (row,) = jobs.unended()
        assert is_alive(row["process"], int(row["process_started"]))
        os.killpg(row["process"], signal.SIGKILL)
        os.waitpid(row["process"], 0)


@pytest.mark.parametrize("when", ["while its process is started", "at its very end"])
def test_a_job_stays_cancelled_whenever_that_is_said_and_the_next_has_its_turn(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, when: str
) -> None:
    with contextlib.closing(Store(tmp_path / "data")) as store:
        jobs = Jobs(store)
        first, after = (jobs.prepare("part", "train", title) for title in ("the first", "the next"))
        jobs.queue(first, ["true"] if when == "at its very end" else ["sleep", "600"])
        jobs.queue(after, ["true"])
        runner = Runner(jobs, lambda job: cancel(jobs, first) if when == "at its very end" else None)
        spawn = runner._spawn

        def spawn_and_cancel(folder: Path) -> subprocess.Popen[bytes]:
            child = spawn(folder)
            if when == "while its process is started":
                cancel(jobs, first)
            return child

        monkeypatch.setattr(runner, "_spawn", spawn_and_cancel)

        async def serve() -> None:
            runner.start()
            # One at a time: the first one's process has ended when the next begins.
            await asyncio.to_thread(wait_until, lambda: jobs.get(after).state == "done", "the next has had its turn")
            await runner.close()

        asyncio.run(serve())
        assert jobs.get(first).state == "cancelled"
