"""`edge-agent records` after pictures have gone through a daemon."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from PIL import Image

from edge_agent.studio.watching.records import RecordFilter, Records
from tests.support.commands import run
from tests.support.daemon import Daemon, bytes_request, running_daemon, wait_until
from tests.support.fakes import half_bright, picture, write_echo
from tests.support.records import rows


class Line(NamedTuple):
    """A daemon through which six pictures have gone, and its state folder."""

    daemon: Daemon
    state: Path

    def records(self, *arguments: str) -> str:
        done = run("records", *arguments, "--state-dir", self.state)
        assert done.returncode == 0, done.stderr
        return done.stdout

    def json(self, *arguments: str) -> Any:
        return json.loads(self.records(*arguments, "--json"))


@pytest.fixture(scope="module")
def line(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Line]:
    folder = tmp_path_factory.mktemp("line")
    write_echo(folder / "models", "echo")
    write_echo(folder / "models", "plain", segmentation=False)
    with running_daemon(folder) as daemon:
        for name in ("echo", "plain"):
            daemon.stub.start(name)
        detect = daemon.stub.calls["DetectAnomalies"]
        told = (("part-id", "A-17"), ("station", "east"))
        answer = detect(bytes_request("echo", half_bright()), metadata=told).detect_anomaly_result
        assert answer.anomaly_score == 0.25
        for brightness in (10, 100, 200, 250):
            detect(bytes_request("echo", picture(brightness)))
        detect(bytes_request("plain", picture(255)), metadata=(("part-id", " B-1 "),))
        state = folder / "state"
        database = state / "records" / "records.db"
        wait_until(
            lambda: database.exists() and rows(database.parent, "SELECT count(*) FROM records") == [(6,)],
            "six records are written",
        )
        yield Line(daemon, state)


def test_every_verdict_is_there_with_who_asked(line: Line) -> None:
    found = line.json()
    assert [(entry["model"], entry["verdict"]) for entry in found] == [
        ("plain", "anomalous"), ("echo", "anomalous"), ("echo", "anomalous"), ("echo", "normal"), ("echo", "normal"),
        ("echo", "normal"),
    ]  # fmt: skip
    first = found[-1]
    assert (first["part_id"], first["station"], first["version"]) == ("A-17", "east", "1.0.0")
    assert first["anomaly_score"] == 0.25 and first["anomaly_threshold"] == 0.5 and first["confidence"] == 0.75
    assert (first["width"], first["height"]) == (64, 64)
    assert first["areas"] == {"bright": 0.25}
    assert first["picture"] == ""
    assert first["uid"] >= 0 and first["pid"] > 0 and first["program"]
    assert 0 < first["milliseconds"] < 60_000
    assert [entry["id"] for entry in found] == sorted((entry["id"] for entry in found), reverse=True)


@pytest.mark.parametrize(
    ("arguments", "count"),
    [
        (["echo"], 5),
        (["echo", "--anomalous"], 2),
        (["--normal"], 3),
        (["--part", "B-1"], 1),
        (["--station", "east"], 1),
        (["--since", "1h", "--limit", "2"], 2),
        (["--until", "1h"], 0),
        (["--since", "999999999w"], 6),
        (["list", "plain"], 1),
        (["nothing"], 0),
    ],
)
def test_only_what_is_asked_for(line: Line, arguments: list[str], count: int) -> None:
    assert len(line.json(*arguments)) == count


def test_csv_has_a_row_for_each(line: Line) -> None:
    read = list(csv.DictReader(io.StringIO(line.records("--csv", "--part", "A-17"))))
    assert [(row["model"], row["anomaly_score"], row["areas"]) for row in read] == [("echo", "0.25", "bright=0.25")]


def test_a_picture_that_is_called_anomalous_and_has_no_mark_says_so(tmp_path: Path) -> None:
    """Score and mask don't come from each other; an empty mask without a word would look like a defect."""
    write_echo(tmp_path / "models", "echo", threshold=0.2)
    write_echo(tmp_path / "models", "plain", threshold=0.2, segmentation=False)
    Image.fromarray(picture(100)).save(tmp_path / "grey.png")
    Image.fromarray(picture(10)).save(tmp_path / "dark.png")
    pictures = (tmp_path / "grey.png", tmp_path / "dark.png")
    with running_daemon(tmp_path) as daemon:
        where = ("--start", "--socket", daemon.socket)
        said = run("detect", "echo", *pictures, "--overlay", tmp_path / "marked", *where)
        rows_of_it = [line.split() for line in said.stdout.splitlines()[1:]]
        assert [(row[1], "nothing marked" in " ".join(row)) for row in rows_of_it] == [
            ("anomalous", True), ("normal", False),
        ]  # fmt: skip
        assert "nothing" not in run("detect", "plain", *pictures, *where).stdout
        state = tmp_path / "state"
        written = Line(daemon, state)
        wait_until(lambda: len(written.json()) == 4, "four records are written")
        table = written.records("--anomalous").splitlines()[1:]
        assert ["nothing marked" in line for line in table] == [False, True], "the newest first"
        found = written.json("echo", "--anomalous")[0]
        assert found["areas"] == {}
        assert "nothing marked" in written.records("show", str(found["id"]))
        told = {(one.model, one.verdict): one.unmarked for one in Records(state).page(RecordFilter(), "", 9).records}
        assert told == {
            ("echo", "anomaly"): True, ("echo", "normal"): False, ("plain", "anomaly"): False,
            ("plain", "normal"): False,
        }  # fmt: skip


def test_a_table_says_when_there_is_more(line: Line) -> None:
    done = run("records", "--limit", "2", "--state-dir", line.state)
    assert len(done.stdout.splitlines()) == 3
    assert "there are more than these 2" in done.stderr


def test_a_persons_word_and_what_follows_from_it(line: Line) -> None:
    found = line.json("echo")
    rejected, accepted = found[0]["id"], found[-1]["id"]
    assert "a false reject" in line.records("confirm", str(rejected), "normal")
    assert "an escape" in line.records("confirm", str(accepted), "anomaly", "--label", "crack", "--label", "dent")
    shown = line.json("show", str(accepted))
    assert (shown["truth"], shown["truth_labels"]) == ("anomaly", ["crack", "dent"])
    assert "crack, dent" in line.records("show", str(accepted))
    assert {entry["id"] for entry in line.json("--confirmed")} == {rejected, accepted}
    (row,) = line.json("stats", "echo", "--by", "day")["rows"]
    assert (row["pictures"], row["anomalous"], row["yield"], row["labels"]) == (5, 2, 0.6, {"bright": 2})
    assert row["false_rejects"]["wrong"] == row["escapes"]["wrong"] == 1
    line.records("confirm", str(rejected), "anomaly")  # a later word replaces an earlier one
    (row,) = line.json("stats", "echo")["rows"]
    assert row["false_rejects"]["share"] is None
    assert (row["escapes"]["wrong"], row["escapes"]["of"]) == (1, 2)
    assert "1 of 2: 50.0% (9.5% to 90.5%)" in line.records("stats", "echo")


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["show", "7"], "there is no record 7"),
        (["show", "9" * 30], "there is no record 9999"),
        (["confirm", "7", "normal"], "there is no record 7"),
        (["confirm", "7", "normal", "--label", "crack"], "a normal part has no kind of anomaly"),
        (["--since", "yesterday"], "'yesterday' is not a time, expected one such as 90m"),
        (["stats", "--by", "shift", "--shifts", "6:10"], "shift '6:10' is not a time such as 06:00"),
        (["stats", "--by", "shift", "--shifts", "14:00,06:00"], "do not begin one after the other"),
    ],
)
def test_what_is_wrong_is_said_in_one_line(line: Line, arguments: list[str], said: str) -> None:
    done = run("records", *arguments, "--state-dir", line.state)
    assert (done.returncode, done.stdout) == (1, "")
    assert said in done.stderr and len(done.stderr.splitlines()) == 1


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["stats", "--shifts", "06:00,18:00"], "--shifts needs --by shift"),
        (["--until", "2020-01-01"], "--until 2020-01-01 is not after --since 24h"),
        (["--csv", "--json"], "--json, --csv and --parquet exclude each other"),
    ],
)
def test_what_would_be_dropped_in_silence_is_refused(line: Line, arguments: list[str], said: str) -> None:
    done = run("records", *arguments, "--state-dir", line.state)
    assert (done.returncode, done.stdout) == (2, "")
    assert said in done.stderr


def test_a_model_without_records_is_told_of(line: Line, tmp_path: Path) -> None:
    for arguments in (["nothing"], ["stats", "nothing"], ["export", tmp_path / "pictures", "nothing"]):
        done = run("records", *arguments, "--state-dir", line.state)
        assert "note: there are no records of a model 'nothing', only of echo, plain" in done.stderr


def test_without_records_it_says_so(tmp_path: Path) -> None:
    done = run("records", "--state-dir", tmp_path)
    assert done.returncode == 1
    assert f"there are no records in {tmp_path}/records" in done.stderr


def test_records_can_be_turned_off(tmp_path: Path) -> None:
    write_echo(tmp_path / "models", "echo")
    with running_daemon(tmp_path, "--records", "off") as daemon:
        daemon.stub.start("echo")
        daemon.stub("DetectAnomalies", bytes_request("echo", picture(10)))
        assert daemon.stop() == 0
    assert not (tmp_path / "state" / "records").exists()


def test_what_was_answered_is_written_before_the_daemon_ends(tmp_path: Path) -> None:
    write_echo(tmp_path / "models", "echo")
    with running_daemon(tmp_path) as daemon:
        daemon.stub.start("echo")
        for _ in range(50):
            daemon.stub("DetectAnomalies", bytes_request("echo", picture(10)))
        assert daemon.stop() == 0
    folder = tmp_path / "state" / "records"
    assert rows(folder, "SELECT count(*) FROM records") == [(50,)]
    assert (folder.stat().st_mode & 0o777, (folder / "records.db").stat().st_mode & 0o777) == (0o750, 0o640)


def test_doctor_knows_of_them(line: Line, tmp_path: Path) -> None:
    done = run("doctor", "--state-dir", line.state, "--json")
    (found,) = [entry for entry in json.loads(done.stdout) if entry["check"] == "records" and "last" in entry["found"]]
    assert found["verdict"] == "ok"


def test_parquet_has_the_columns_of_csv_with_types(line: Line, tmp_path: Path) -> None:
    pytest.importorskip("pyarrow", reason="pyarrow is not installed")
    from pyarrow import parquet

    path = tmp_path / "records.parquet"
    assert f"6 records are in {path}" in line.records("--parquet", str(path))
    table = parquet.read_table(path)
    assert table.column_names == next(csv.reader(io.StringIO(line.records("--csv"))))
    told = line.json()
    rows_ = table.to_pylist()
    assert [row["id"] for row in rows_] == [entry["id"] for entry in told]
    first, entry = rows_[-1], told[-1]
    assert first["time"].strftime("%Y-%m-%dT%H:%M:%S.%fZ") == entry["time"]
    assert dict(first["areas"]) == entry["areas"] == {"bright": 0.25}
    assert (first["part_id"], first["anomaly_score"]) == ("A-17", 0.25)
    for row, entry in zip(rows_, told, strict=True):
        for name in ("part_id", "station", "picture", "truth", "confirmed_by"):
            assert row[name] == (entry[name] or None), "null where nothing is known"
        assert row["truth_labels"] == (entry["truth_labels"] if entry["truth"] else None)
    refused = run("records", "--parquet", path, "--csv", "--state-dir", line.state)
    assert refused.returncode == 2 and "exclude each other" in refused.stderr
