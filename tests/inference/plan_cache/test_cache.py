"""The cache of plans, with real processes: built once, never served half, never an error."""

from __future__ import annotations

import errno
import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import msgspec
import pytest

from edge_agent.errors import ComponentError
from edge_agent.inference.plan_cache.cache import PlanCache, PlanKey
from tests.inference.plan_cache.plans import KEY, PLAN, ROOM, Builder, changed, files, flip, folder_of, use
from tests.support.daemon import PATIENCE

# Says that it builds, waits for leave, builds, says what it was given, and uses it until its input ends.
BUILDER = """
import logging, sys, time
from pathlib import Path
import msgspec
from edge_agent.inference.plan_cache.cache import PlanCache, PlanKey

folder, leave, key = Path(sys.argv[1]), Path(sys.argv[2]), msgspec.json.decode(sys.argv[3], type=PlanKey)
logging.basicConfig(level="INFO", stream=sys.stdout, format="%(message)s", force=True)

def build(path):
    path.write_bytes(b"half")
    print("building", flush=True)
    while not leave.exists():
        time.sleep(0.01)
    path.write_bytes(b"a plan for the GPU")

with PlanCache(folder, 1 << 30).open(key, build) as path:
    print("given", path.read_text(), flush=True)
    sys.stdin.read()
"""


class Process:
    """A process that wants a plan."""

    def __init__(self, folder: Path, leave: Path, key: PlanKey) -> None:
        command = [sys.executable, "-c", BUILDER, str(folder), str(leave), msgspec.json.encode(key).decode()]
        self._process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def says(self) -> str:
        assert self._process.stdout is not None
        return self._process.stdout.readline().strip()

    def finish(self) -> None:
        self._process.communicate(timeout=PATIENCE)
        assert self._process.returncode == 0

    def kill(self) -> None:
        if self._process.returncode is None:
            self._process.kill()
            self._process.communicate(timeout=PATIENCE)


Start = Callable[..., Process]


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    """Start processes that use the cache in tmp_path / "cache", and build until tmp_path / "leave" is there."""
    started: list[Process] = []

    def begin(key: PlanKey = KEY) -> Process:
        started.append(Process(tmp_path / "cache", tmp_path / "leave", key))
        return started[-1]

    yield begin
    for process in started:
        process.kill()


def test_a_plan_is_built_once_and_described_for_a_person(tmp_path: Path) -> None:
    build = Builder()
    for _ in range(3):
        assert use(PlanCache(tmp_path / "deep" / "cache", ROOM), build) == PLAN
    assert len(build.paths) == 1
    folder = folder_of(tmp_path / "deep" / "cache")
    assert build.paths[0].parent == folder, "renamed, not copied"
    assert files(folder) == ["lock", "model.plan", "plan.json"]
    text = (folder / "plan.json").read_text()
    said = json.loads(text)
    assert '\n    "gpu": "Orin",\n' in text
    assert said["bytes"] == len(PLAN)
    assert said["key"]["tensorrt"] == "10.3.0"
    assert {"built", "seconds", "sha256"} < said.keys()


def test_a_key_is_the_same_in_every_process_and_differs_in_every_part() -> None:
    assert KEY.digest == "2a8edc977f48095158e5473d39fb0159"
    others = {field: changed(**{field: "other"}) for field in KEY.__struct_fields__ if field != "shapes"}
    others["shapes"] = changed(shapes=((1, 3, 384, 288),))
    assert len({KEY.digest, *(key.digest for key in others.values())}) == 1 + len(KEY.__struct_fields__)
    with pytest.raises(ValueError, match="can't be the name of a model component"):
        changed(component="../elsewhere")


def test_models_of_different_names_share_nothing(tmp_path: Path) -> None:
    cache, build = PlanCache(tmp_path, ROOM), Builder()
    use(cache, build)
    use(cache, build, changed(component="crackers"))
    assert len(build.paths) == 2
    assert [plan.description.key.component for plan in cache.entries()] == ["cookies", "crackers"]
    assert cache.remove("cookies") == 1
    assert [plan.path for plan in cache.entries()] == [
        folder_of(tmp_path, changed(component="crackers")) / "model.plan"
    ]
    assert not (tmp_path / "cookies").exists()
    assert cache.remove("cookies") == cache.remove("../elsewhere") == cache.remove("*") == 0


def test_two_processes_build_once_and_use_it_together(tmp_path: Path, start: Start) -> None:
    first = start()
    assert first.says() == "building"
    others = [start() for _ in range(2)]
    for other in others:
        assert other.says() == "waiting for the plan of 'cookies', which another process builds"
    (tmp_path / "leave").touch()
    assert first.says() == "given a plan for the GPU"
    for other in others:
        assert other.says() == "given a plan for the GPU"
        other.finish()
    first.finish()


def test_what_a_killed_builder_leaves_is_not_served(tmp_path: Path, start: Start) -> None:
    cache, build = PlanCache(tmp_path / "cache", ROOM), Builder()
    killed = start()
    assert killed.says() == "building"
    killed.kill()
    assert "model.plan.unfinished" in files(folder_of(tmp_path / "cache"))
    assert cache.entries() == []
    assert use(cache, build) == PLAN
    assert files(folder_of(tmp_path / "cache")) == ["lock", "model.plan", "plan.json"]
    assert len(build.paths) == 1


def test_who_waits_for_a_builder_that_is_killed_builds_itself(tmp_path: Path, start: Start) -> None:
    killed = start()
    assert killed.says() == "building"
    waiting = start()
    assert waiting.says().startswith("waiting")
    killed.kill()
    assert waiting.says() == "building"
    (tmp_path / "leave").touch()
    assert waiting.says() == "given a plan for the GPU"
    waiting.finish()


def test_what_killed_builders_left_goes_when_another_plan_is_built_but_not_what_is_being_built(
    tmp_path: Path, start: Start
) -> None:
    other, third = changed(precision="int8"), changed(component="crackers")
    killed, busy = start(), start(other)
    assert killed.says() == busy.says() == "building"
    killed.kill()
    use(PlanCache(tmp_path / "cache", ROOM), Builder(), third)
    assert not folder_of(tmp_path / "cache").exists()
    (tmp_path / "leave").touch()
    assert busy.says() == "given a plan for the GPU"
    busy.finish()
    assert len(PlanCache(tmp_path / "cache", ROOM).entries()) == 2


def _cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def _other_key(path: Path) -> None:
    path.write_bytes(path.read_bytes().replace(b"Orin", b"Thor"))


@pytest.mark.parametrize(
    ("name", "damage"),
    [
        ("model.plan", flip), ("model.plan", _cut), ("model.plan", Path.unlink),
        ("model.plan", lambda path: path.write_bytes(b"")),
        ("plan.json", flip), ("plan.json", _cut), ("plan.json", Path.unlink), ("plan.json", _other_key),
        ("plan.json", lambda path: path.write_bytes(b"\xff\xfe")), ("plan.json", lambda path: path.write_bytes(b"[]")),
    ],
)  # fmt: skip
def test_a_damaged_entry_is_built_again(tmp_path: Path, name: str, damage: Callable[[Path], object]) -> None:
    cache, build = PlanCache(tmp_path, ROOM), Builder()
    use(cache, build)
    damage(folder_of(tmp_path) / name)
    assert use(cache, build) == PLAN
    assert len(build.paths) == 2
    assert use(cache, build) == PLAN
    assert len(build.paths) == 2


def test_a_lock_that_is_missing_changes_nothing(tmp_path: Path) -> None:
    cache, build = PlanCache(tmp_path, ROOM), Builder()
    use(cache, build)
    (folder_of(tmp_path) / "lock").unlink()
    assert use(cache, build) == PLAN
    assert len(build.paths) == 1


def _filled(tmp_path: Path) -> list[PlanKey]:
    """Make three plans of 10 kB, used last in this order."""
    keys = [changed(precision=precision) for precision in ("fp32", "fp16", "int8")]
    for age, key in enumerate(keys):
        use(PlanCache(tmp_path, ROOM), Builder(bytes(10_000)), key)
        os.utime(folder_of(tmp_path, key) / "plan.json", (1000 + age, 1000 + age))
    return keys


def _there(tmp_path: Path) -> set[str]:
    return {plan.description.key.precision for plan in PlanCache(tmp_path, ROOM).entries()}


def test_the_least_recently_used_plans_go(tmp_path: Path) -> None:
    keys = _filled(tmp_path)
    cache, build = PlanCache(tmp_path, 25_000), Builder(bytes(10_000))
    use(cache, build, keys[0])
    assert build.paths == []
    assert cache.entries()[0].description.key.precision == "fp32", "it was used just now"
    use(cache, build, changed(precision="new"))
    assert _there(tmp_path) == {"fp32", "new"}
    use(PlanCache(tmp_path, 1), build, changed(precision="newer"))
    assert _there(tmp_path) == {"newer"}, "what was built just now stays, however large"


def test_a_plan_in_use_stays_and_one_that_is_read_may_go(tmp_path: Path) -> None:
    keys = _filled(tmp_path)
    small = PlanCache(tmp_path, 1)
    with small.open(keys[0], Builder()) as path:
        use(small, Builder(), changed(precision="new"))
        assert _there(tmp_path) == {"fp32", "new"}
        assert small.remove("cookies") == 1
        with small.open(keys[0], Builder()) as again:
            assert again == path, "several use it at once"
        opened = path.open("rb")
    with opened:
        assert small.remove("cookies") == 1
        assert opened.read() == bytes(10_000)


def test_a_build_that_fails_is_told_and_leaves_nothing(tmp_path: Path) -> None:
    tried: list[Path] = []

    def fail(path: Path) -> None:
        tried.append(path)
        path.write_bytes(b"half")
        raise FileNotFoundError("no calibration table")

    cache = PlanCache(tmp_path, ROOM)
    with pytest.raises(FileNotFoundError, match="no calibration table"):
        use(cache, fail)
    assert len(tried) == 1
    assert files(tmp_path) == [f"cookies/{KEY.digest}/lock"]
    with pytest.raises(ComponentError, match="building the plan of 'cookies' wrote nothing"):
        use(cache, lambda path: None)
    assert use(cache, Builder()) == PLAN


def test_what_is_done_with_a_plan_is_not_taken_for_the_disk(tmp_path: Path) -> None:
    build = Builder()
    with pytest.raises(OSError, match="of the engine"), PlanCache(tmp_path, ROOM).open(KEY, build):
        raise OSError(errno.ENOSPC, "of the engine")
    assert len(build.paths) == 1


def test_files_that_are_not_its_own_are_left_alone(tmp_path: Path) -> None:
    strange = [tmp_path / "notes.txt", tmp_path / "cookies" / "readme", tmp_path / "cookies" / ("0" * 32) / "mine"]
    for path in strange:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("mine")
    cache = PlanCache(tmp_path, 1)
    use(cache, Builder())
    cache.remove("cookies")
    assert all(path.read_text() == "mine" for path in strange)


def test_waiting_ends_when_the_entry_was_removed_by_its_builder(tmp_path: Path, start: Start) -> None:
    """The file of the lock is another one then."""
    first = start()
    assert first.says() == "building"
    second = start()
    assert second.says().startswith("waiting")
    folder = folder_of(tmp_path / "cache")
    lock = (folder / "lock").stat().st_ino
    (folder / "lock").rename(folder / "lock.old")  # keeps its inode from being given to the next file
    first.kill()
    assert second.says() == "building"
    assert (folder / "lock").stat().st_ino != lock
    (tmp_path / "leave").touch()
    assert second.says() == "given a plan for the GPU"
    second.finish()
