"""What the line saw and does now, over HTTP: records that an agent has written, through a real studio."""

from __future__ import annotations

import json
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import grpc
import pytest

from edge_agent.records.store.writer import RecordWriter
from edge_agent.records.words import confirm
from tests.support.daemon import PATIENCE, Daemon, bytes_request, running_daemon, wait_until
from tests.support.fakes import half_bright, picture, write_echo
from tests.support.records import record
from tests.support.studio import Studio, running_studio

_SECOND, _HOUR = 1_000_000, 3600 * 1_000_000


@pytest.fixture(scope="module")
def begun() -> int:
    """The full hour from which there are records: 40 hours of 200 pictures, of which 10 are anomalous, 60 in one."""
    return (time.time_ns() // 1000 // _HOUR - 41) * _HOUR


@pytest.fixture(scope="module")
def line(tmp_path_factory: pytest.TempPathFactory, begun: int) -> Iterator[Daemon]:
    folder = tmp_path_factory.mktemp("line")
    writer = RecordWriter(folder / "state" / "records", days=90, mib=64)
    for hour in (number for number in range(40) if number not in (10, 11)):
        bad = 60 if hour == 30 else 10
        writer.write(
            [
                record(
                    begun + hour * _HOUR + number * _SECOND, model="echo", anomalous=number < bad,
                    score=0.9 if number < bad else 0.1, areas={"bright": 0.2} if number < bad else {},
                    milliseconds=8.0 if number else 80.0,
                )
                for number in range(200)
            ]
        )  # fmt: skip
    writer.close()
    for number, truth in ((0, "normal"), (1, "anomaly"), (2, "anomaly"), (100, "anomaly"), (101, "normal")):
        confirm(folder / "state" / "records", begun + number * _SECOND, truth)  # type: ignore[arg-type]
    write_echo(folder / "models", "echo", training={"scores": {"normal": [0, 0, 0, 0, 0, 30, 9] + [0] * 42 + [1]}})
    with running_daemon(folder, "--keep-mib", "64", "--keep", "normal=1", "--keep", "anomalous") as found:
        wait_until((folder / "state/records/pictures/keeper.sock").exists, "pictures are taken")
        found.stub.start("echo")
        yield found


@pytest.fixture(scope="module")
def studio(line: Daemon) -> Iterator[Studio]:
    arguments = ("--state-dir", str(line.folder / "state"), "--deploy-to", str(line.models))
    with running_studio(line.folder / "data", *arguments, agent=line.socket) as found:
        yield found


def figures(studio: Studio, begun: int, query: str = "") -> dict[str, Any]:
    span = f"since={begun / 1e6}&until={(begun + 40 * _HOUR) / 1e6}"
    found: dict[str, Any] = studio.get(f"/dashboard?model=echo&by=hour&{span}{query}")
    return found


def test_the_figures_of_a_time(studio: Studio, begun: int) -> None:
    found = figures(studio, begun)
    assert (found["state"], found["total"], found["anomalous"]) == ("ok", 38 * 200, 37 * 10 + 60)
    assert len(found["points"]) == 40
    assert [point["total"] for point in found["points"]][9:13] == [200, 0, 0, 200]
    assert [(at, point["rule"]) for at, point in enumerate(found["points"]) if point["rule"]] == [(30, "beyond")]
    assert found["points"][10]["high"] is None
    assert (found["chart"]["basis"], found["chart"]["since"]) == ("stable", begun / 1e6)
    assert found["chart"]["center"] == pytest.approx(0.05, abs=1e-3)
    assert found["kinds"] == [{"label": "bright", "pictures": 430, "area": pytest.approx(0.2)}]
    assert (found["scores"]["counts"][5], found["scores"]["counts"][45]) == (38 * 200 - 430, 430)
    assert (found["scores"]["training"][5], found["scores"]["threshold"]) == (0.75, 0.5)
    assert found["times"]["slowest"] == 80.0
    assert 8.0 <= found["times"]["p99"] <= 80.0
    assert found["false_rejects"] == {"wrong": 1, "of": 2, "share": 0.5, "low": pytest.approx(0.0945, abs=1e-3),
                                      "high": pytest.approx(0.9055, abs=1e-3)}  # fmt: skip
    assert (found["escapes"]["wrong"], found["escapes"]["of"]) == (1, 3)
    assert [version["version"] for version in found["versions"]] == ["1.0.0"]
    trained = figures(studio, begun, "&limits=training")["chart"]
    assert (trained["basis"], trained["groups"], trained["center"]) == ("training", 40, pytest.approx(1.5 / 41))


def test_a_shift_alone_and_times_that_can_not_be_used(studio: Studio, begun: int) -> None:
    found = figures(studio, begun, "&only=14:00")
    shifts = {(point["begin"] / 3600 + point["offset"] / 60) % 24 for point in found["points"]}
    assert shifts <= set(range(14, 22))
    assert 0 < found["total"] < 38 * 200
    for query, text in (
        ("shifts=25:00", "'25:00' is not a time such as 06:00"),
        ("only=07:00", "no shift begins at 07:00"),
        ("since=1&by=hour", "more than 3000 days"),
        ("begin=900d&by=hour", "more than 3000 periods"),
        ("since=5&until=4", "ends before it begins"),
        ("since=nan", "nan is not a time"),
        ("since=1e300", "1e+300 is not a time"),
        ("end=9999-01-01T00:00", "ends after the year 2199"),
        ("begin=2001-01-01&by=day", "more than 3000 days"),
        ("span=2d", "the query can't be used"),
    ):
        answer = studio.ask("GET", f"/api/dashboard?{query}")
        assert answer.status == 400
        assert text in answer.error


def test_calls_that_got_no_verdict_are_counted_by_reason(studio: Studio, line: Daemon) -> None:
    for model, drawn in (("echo", picture(20, 8, 8)), ("echo", picture(20, 8, 8)), ("gone", picture(20))):
        with pytest.raises(grpc.RpcError):
            line.stub("DetectAnomalies", bytes_request(model, drawn))

    def reasons(model: str = "") -> dict[tuple[str, str], dict[str, Any]]:
        found = studio.get(f"/dashboard?by=hour&model={model}")
        assert found["refused"] == sum(point["refused"] for point in found["points"])
        return {(one["model"], one["reason"]): one for one in found["refusals"]}

    wait_until(lambda: ("", "model_not_found") in reasons(), "they are written down")
    assert reasons()["", "model_not_found"]["calls"] == 1
    assert reasons("echo")["echo", "invalid_request"]["calls"] == 2
    assert "8x8" in reasons()["echo", "invalid_request"]["details"]
    assert ("", "model_not_found") not in reasons("echo")
    assert studio.get("/dashboard?span=&begin=2001-09-09T00:00&end=2001-09-10T00:00")["refused"] == 0


def test_every_point_leads_to_its_records(studio: Studio, begun: int) -> None:
    hour = f"since={(begun + 30 * _HOUR) / 1e6}&until={(begun + 31 * _HOUR) / 1e6}"
    first = studio.get(f"/records?model=echo&{hour}&verdict=anomaly&limit=50")
    assert [one["verdict"] for one in first["records"]] == ["anomaly"] * 50
    rest = studio.get(f"/records?model=echo&{hour}&verdict=anomaly&limit=50&beyond={first['next']}")
    assert (len(rest["records"]), rest["next"]) == (10, "")
    assert int(first["records"][-1]["id"]) > int(rest["records"][0]["id"])
    counts = {
        query: len(studio.get(f"/records?{query}&limit=200")["records"])
        for query in (
            f"{hour}&label=bright", f"{hour}&label=other", f"{hour}&score_from=0.88&score_to=0.92",
            f"{hour}&slower_than=50&faster_than=90", "word=false_reject", "word=escape", "word=any", "part=none",
        )
    }  # fmt: skip
    assert list(counts.values()) == [60, 0, 60, 1, 1, 1, 5, 0]


def test_a_word_a_picture_and_the_way_into_a_dataset(studio: Studio, line: Daemon, begun: int) -> None:
    line.stub("DetectAnomalies", bytes_request("echo", picture(220)))
    line.stub("DetectAnomalies", bytes_request("echo", half_bright()))

    def kept() -> Any:
        found = studio.get("/records?pictured=true")["records"]
        return found if len(found) == 2 and studio.ask("GET", f"/api/records/{found[0]['id']}/picture").status == 200 \
            and studio.ask("GET", f"/api/records/{found[1]['id']}/picture").status == 200 else None  # fmt: skip

    normal, anomalous = wait_until(kept, "both pictures are kept")
    assert (normal["verdict"], anomalous["verdict"]) == ("normal", "anomaly")
    assert studio.ask("GET", f"/api/records/{anomalous['id']}/thumbnail").content[:2] == b"\xff\xd8"
    assert studio.ask("GET", f"/api/records/{anomalous['id']}/layer?small=true").content[1:4] == b"PNG"
    told = studio.post(f"/records/{normal['id']}/confirm", {"truth": "anomaly", "labels": ["bright"]})
    assert (told["truth"], told["labels"], told["who"]) == ("anomaly", ["bright"], "local")
    refused = studio.send("POST", f"/records/{normal['id']}/confirm", {"truth": "normal", "labels": ["bright"]})
    assert refused.status == 400
    for path in ("/records/1", "/records/x", f"/records/{begun}/picture"):
        assert studio.ask("GET", f"/api{path}").status == 404
    studio.post("/projects", {"name": "part"})
    done = studio.job(studio.post("/projects/part/take-records", {"filter": {"model": "echo"}})["job"])
    assert done["result"] == {"added": 2, "duplicate": 0, "refused": 0}, done
    pictures = {one["verdict"]: one for one in studio.get("/projects/part/pictures")["pictures"]}
    assert (pictures["normal"]["class"], pictures["anomaly"]["class"]) == ("anomaly", None)  # a word, and a proposal
    assert pictures["anomaly"]["judged_by"] == "echo 1.0.0"
    layer = studio.ask("GET", f"/api/projects/part/pictures/{pictures['anomaly']['id']}/layer?of=proposal")
    assert layer.status == 200
    assert [label["name"] for label in studio.get("/projects/part")["labels"]] == ["bright"]
    refused = studio.send("POST", "/projects/part/take-records", {})
    assert (refused.status, refused.error) == (400, "neither records nor a filter is given, expected one of them")


class Watching:
    """Somebody who watches, as a browser does."""

    def __init__(self, studio: Studio) -> None:
        self._response = urllib.request.urlopen(f"{studio.address}/api/live/events", timeout=PATIENCE)
        assert self._response.headers["content-type"].startswith("text/event-stream")

    def next(self) -> dict[str, Any]:
        while True:
            text = self._response.readline().decode()
            assert text, "the stream has ended"
            if text.startswith("data: "):
                found: dict[str, Any] = json.loads(text[6:])
                return found

    def close(self) -> None:
        self._response.close()


@pytest.mark.long
def test_the_line_now_goes_on_after_the_agent_comes_back(studio: Studio, line: Daemon) -> None:
    watching, other = Watching(studio), Watching(studio)

    def model(detect: bool = True) -> dict[str, Any]:
        if detect:
            line.stub("DetectAnomalies", bytes_request("echo", picture(230)))
        found: dict[str, Any] = watching.next()
        (one,) = (one for one in found["models"] if one["name"] == "echo")
        return {**one, "line": found}

    now = wait_until(lambda: (found := model())["pictures"] and found["interval"] and found, "a picture is shown")
    assert now["line"]["viewers"] == 2
    assert (now["status"], now["last_verdict"], now["version"]) == ("RUNNING", "anomaly", "1.0.0")
    newest = now["pictures"][0]
    assert (newest["verdict"], newest["marked"], newest["areas"]) == ("anomaly", True, {"bright": 1.0})
    assert studio.ask("GET", f"/api/live/pictures/{newest['number']}").content[:2] == b"\xff\xd8"
    assert studio.ask("GET", f"/api/live/pictures/{newest['number']}/layer").content[1:4] == b"PNG"
    assert studio.ask("GET", "/api/live/pictures/12").status == 404
    assert 0 < now["used"] <= 1
    other.close()
    wait_until(lambda: watching.next()["viewers"] == 1, "the one who left is noticed")
    line.process.kill()
    line.process.wait()
    wait_until(lambda: not watching.next()["reachable"], "the agent is missed")
    line.restart()
    line.stub.wait_for("echo", "RUNNING")
    seen = newest["at"]
    wait_until(lambda: (found := model())["pictures"] and found["pictures"][0]["at"] > seen, "new pictures are shown")
    watching.close()
    # Nobody watches: the studio looks no more, and the workers show nothing after a while.
    asked = line.folder / "state" / "live" / "asked"
    before = asked.read_bytes()
    wait_until(lambda: before != (last := asked.read_bytes()) or last, "it has been asked")
    wait_until(lambda: studio.get("/live")["viewers"] == 0, "nobody watches")


def test_without_records_the_page_is_told_where_they_were_looked_for(tmp_path: Path) -> None:
    with running_studio(tmp_path / "data", "--state-dir", str(tmp_path / "state")) as studio:
        found = studio.get("/dashboard")
        assert (found["state"], found["folder"]) == ("none", str(tmp_path / "state" / "records"))
        nothing = studio.get("/records")
        assert (nothing["none"], nothing["records"]) == (True, [])
        live = studio.get("/live")
        assert (live["reachable"], live["models"]) == (False, [])
        assert "no agent shows pictures" in live["pictures"]
