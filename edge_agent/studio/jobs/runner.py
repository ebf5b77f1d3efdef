"""Starting jobs one after the other, and taking up those that an earlier studio has left running."""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import os
import signal
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

from edge_agent.access.rights import describe_refusal
from edge_agent.children.command import child_command
from edge_agent.children.living import is_alive, process_start
from edge_agent.studio.jobs.process import ENDED, LOG
from edge_agent.studio.jobs.table import Jobs

log = logging.getLogger(__name__)

#: called in a thread when a job has been done: a trial's verdicts go into the index
Finish = Callable[[int], None]
_NO_WORD = "the job's process ended without a word; the machine may have been switched off, or ran out of memory"


class Runner:
    """Runs the jobs of the list, one at a time: two trainings at once would take as long, and twice the memory."""

    def __init__(self, jobs: Jobs, finish: Finish) -> None:
        self._jobs, self._finish = jobs, finish
        self._wake = asyncio.Event()
        self._tasks: set[asyncio.Task[None]] = set()
        self._child: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Begin; jobs whose processes live are watched, those whose processes are gone have failed."""
        self._loop = asyncio.get_running_loop()
        task = self._loop.create_task(self._run())
        self._tasks.add(task)

    def nudge(self) -> None:
        """Take note that a job was added; from any thread."""
        self._loop.call_soon_threadsafe(self._wake.set)

    async def close(self) -> None:
        """Watch no more; the processes go on."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        if self._child is not None and self._child.poll() is None:
            self._child.returncode = 0  # it goes on, of which Popen is not to complain

    async def _run(self) -> None:
        while True:
            self._wake.clear()
            rows = await asyncio.to_thread(self._jobs.unended)
            for row in [row for row in rows if row["state"] == "running"] or rows[:1]:
                try:
                    await self._one(row["id"], row["process"], row["process_started"])
                except OSError as error:
                    await self._end(row["id"], "failed", f"the job can't be run: {describe_refusal(error)}")
                except Exception:
                    log.exception("a defect of the studio, in job %d", row["id"])
                    await self._end(row["id"], "failed", "a defect of the studio; its log has more")
            if not rows:
                await self._wake.wait()

    async def _one(self, job: int, process: int | None, started: float | None) -> None:
        folder = self._jobs.folder(job)
        if process is None:
            child = self._child = await asyncio.to_thread(self._spawn, folder)
            process = child.pid
            goes_on = await asyncio.to_thread(
                lambda: self._jobs.go_on(job, "running", started=time.time(), process=child.pid,
                                         process_started=process_start(child.pid))
            )  # fmt: skip
            if not goes_on:  # it was cancelled while its process was started, which nobody knew yet
                _end_group(child.pid)
            # Not in a thread: the end of the event loop would wait for it, and so for the job.
            await self._wait_for(process)
            child.wait()
        elif is_alive(process, int(started or 0)):
            await self._wait_for(process)
        await self._conclude(job, folder)

    def _spawn(self, folder: Path) -> subprocess.Popen[bytes]:
        command = child_command("edge_agent.studio.jobs.process", str(folder))
        with (folder / LOG).open("ab") as said:
            # A session of its own: Ctrl-C in the studio's terminal is not meant for it, and it can be ended as a whole.
            return subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=said, stderr=said, start_new_session=True, cwd=folder
            )

    async def _wait_for(self, process: int) -> None:
        """Wait for the end of a process, our child or not."""
        try:
            descriptor = os.pidfd_open(process)
        except ProcessLookupError:
            return
        ended = asyncio.Event()
        self._loop.add_reader(descriptor, ended.set)
        try:
            await ended.wait()
        finally:
            self._loop.remove_reader(descriptor)
            os.close(descriptor)

    async def _conclude(self, job: int, folder: Path) -> None:
        state = await asyncio.to_thread(lambda: self._jobs.get(job).state)
        if state == "cancelled":
            return
        try:
            ended = json.loads(await asyncio.to_thread((folder / ENDED).read_bytes))
        except (OSError, ValueError):
            ended = {"code": 1, "problem": _NO_WORD}
        if ended["code"] == 0:
            try:
                await asyncio.to_thread(self._finish, job)
            except Exception as error:
                log.exception("job %d was done, its result can't be used", job)
                ended = {"code": 1, "problem": f"its result can't be used: {error}"}
        await self._end(job, "done" if ended["code"] == 0 else "failed", ended["problem"])

    async def _end(self, job: int, state: str, problem: str) -> None:
        # One that was cancelled at its very end stays so, as whoever cancelled it was told.
        await asyncio.to_thread(lambda: self._jobs.go_on(job, state, ended=time.time(), problem=problem))  # type: ignore[arg-type]


def cancel(jobs: Jobs, job: int) -> None:
    """End a job that waits or runs; one that has ended stays as it is. NotThere when there is none of that number."""
    jobs.get(job)
    if not jobs.go_on(job, "cancelled", ended=time.time()):
        return
    # Asked for only now: one of which nothing is known yet is ended by who starts it, and finds the job cancelled.
    process, started = jobs.process(job)
    if process and is_alive(process, started):
        _end_group(process)


def _end_group(process: int) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process, signal.SIGTERM)
