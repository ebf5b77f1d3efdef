"""Kept pictures: the right ones, without loss, within their room, and never in the way of a call."""

from __future__ import annotations

import contextlib
import itertools
import json
import os
import shutil
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import pytest
from PIL import Image

from edge_agent.building.datasets.reading import read_dataset
from edge_agent.errors import SettingsError
from edge_agent.inference.verdict import decide
from edge_agent.records.pictures.ring import Ring
from edge_agent.records.pictures.rules import KeepRules, parse_rules
from tests.cli.test_records import Line
from tests.support.commands import run
from tests.support.daemon import bytes_request, running_daemon, segment_request, suspend, wait_until
from tests.support.fakes import U8, half_bright, picture, write_echo
from tests.support.scraping import fetch, samples


@pytest.mark.parametrize(
    ("score", "asked", "normals", "kind"),
    [
        (0.9, False, 0, "anomalous"),
        (0.52, False, 0, "near"),
        (0.48, False, 1, "near"),
        (0.1, False, 1, ""),
        (0.1, False, 3, "normal"),
        (0.1, True, 1, "asked"),
        (0.9, True, 0, "asked"),
    ],
)
def test_the_first_rule_that_fits_says_the_kind(score: float, asked: bool, normals: int, kind: str) -> None:
    rules = parse_rules(["asked", "anomalous", "near=0.05", "normal=3"])
    assert rules.kind_of(decide(score, 0.5), asked=asked, normals=normals) == kind
    assert KeepRules().kind_of(decide(score, 0.5), asked=asked, normals=normals) == ""


@pytest.mark.parametrize("rule", ["all", "near", "near=5", "near=0", "normal=0", "normal=x", "asked=1", ""])
def test_a_rule_that_is_none_is_refused(rule: str) -> None:
    with pytest.raises(SettingsError, match=r"in the setting 'keep' is not a rule, expected asked, anomalous"):
        parse_rules([rule])
    with pytest.raises(SettingsError, match="stands twice"):
        parse_rules(["normal=3", "normal=4"])


def test_a_flood_of_one_kind_takes_no_room_from_another(tmp_path: Path) -> None:
    ring = Ring(tmp_path, ("anomalous", "normal"), 20_000)
    ring.put("normal/1", {".png": [b"n" * 4000], ".json": [b"{}"]})
    removed = [ring.put(f"anomalous/{number}", {".png": [b"a" * 3000], ".json": [b"{}"]}) for number in range(10, 16)]
    assert removed == [0, 0, 0, 1, 1, 1]
    again = Ring(tmp_path, ("anomalous", "normal"), 20_000)  # as after a restart
    assert again.put("anomalous/20", {".png": [b"a" * 6000]}) == 2
    assert sorted(str(path.relative_to(tmp_path)) for path in tmp_path.rglob("*.png")) == [
        "anomalous/15.png", "anomalous/20.png", "normal/1.png",
    ]  # fmt: skip


def test_what_can_not_be_written_leaves_nothing(tmp_path: Path) -> None:
    ring = Ring(tmp_path, ("normal",), 20_000)
    (tmp_path / "normal" / "1.mask.png.new").mkdir()
    with pytest.raises(OSError, match="Is a directory"):
        ring.put("normal/1", {".png": [b"n"], ".json": [b"{}"], ".mask.png": [b"m"]})
    assert not list((tmp_path / "normal").glob("*.json")) + list((tmp_path / "normal").glob("1.png"))


@pytest.fixture(scope="module")
def line(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Line]:
    folder = tmp_path_factory.mktemp("line")
    write_echo(folder / "models", "echo")
    keep = ["asked", "anomalous", "near=0.05", "normal=2"]
    flags = [part for rule in keep for part in ("--keep", rule)]
    metrics = f"unix://{folder}/metrics.sock"
    with running_daemon(folder, "--keep-mib", "64", "--metrics", metrics, *flags) as daemon:
        wait_until((folder / "state/records/pictures/keeper.sock").exists, "pictures are taken")
        daemon.stub.start("echo")
        yield Line(daemon, folder / "state")


def _kept(line: Line, part: str) -> dict[str, Any]:
    """Wait for the record of a part, and for the files of its picture."""
    (found,) = wait_until(lambda: line.json("--part", part), f"the record of {part}")
    if found["picture"]:
        path = line.state / "records" / "pictures" / f"{found['picture']}.json"
        wait_until(path.exists, f"the picture of {part}")
    assert isinstance(found, dict)
    return found


def _send(line: Line, part: str, drawn: U8, *more: tuple[str, str]) -> Any:
    return line.daemon.stub.calls["DetectAnomalies"](
        bytes_request("echo", drawn), metadata=(("part-id", part), *more)
    ).detect_anomaly_result


def test_a_picture_is_kept_without_loss_with_its_mask(line: Line, tmp_path: Path) -> None:
    drawn = np.random.default_rng(7).integers(150, 256, (64, 64, 3)).astype(np.uint8)
    answer = _send(line, "lossless", drawn)
    found = _kept(line, "lossless")
    assert found["picture"].startswith("anomalous/")
    path = line.state / "records" / "pictures" / found["picture"]
    assert np.array_equal(np.asarray(Image.open(path.with_suffix(".png"))), drawn)
    mask = np.asarray(Image.open(f"{path}.mask.png"))
    assert mask.tobytes() == answer.anomaly_mask.byte_data
    told = json.loads(path.with_suffix(".json").read_text())
    assert (told["model"], told["verdict"]["is_anomalous"]) == ("echo", True)
    assert (path.with_suffix(".png").stat().st_mode & 0o777, path.parent.stat().st_mode & 0o777) == (0o640, 0o750)
    line.records("show", str(found["id"]), "--overlay", str(tmp_path / "seen.png"))
    height, width, _ = np.asarray(Image.open(tmp_path / "seen.png")).shape
    assert width == 64 and height > 64


def test_a_picture_in_a_segment_is_kept_as_it_was_judged(line: Line, segments: Any) -> None:
    drawn = picture(200)
    handle = segments.make(drawn)
    line.daemon.stub.calls["DetectAnomalies"](
        segment_request("echo", 64, 64, handle), metadata=(("part-id", "segment"),)
    )
    segments.path(handle.name).write_bytes(bytes(handle.size))  # as soon as there is an answer it is the client's again
    found = _kept(line, "segment")
    path = line.state / "records" / "pictures" / f"{found['picture']}.png"
    assert np.array_equal(np.asarray(Image.open(path)), drawn)


def test_pictures_that_come_as_bytes_are_kept_as_they_were_judged_however_fast_the_next_one_comes(line: Line) -> None:
    """They are copied after the answer, when their memory could be lent to the next."""
    random = np.random.default_rng(8)
    sent = {f"fast {number}": random.integers(150, 256, (64, 64, 3)).astype(np.uint8) for number in range(8)}
    for part, drawn in sent.items():
        _send(line, part, drawn)
    names = {part: _kept(line, part)["picture"] for part in sent}
    kept = {part: name for part, name in names.items() if name}
    assert kept  # the keeper need not have had time for all
    for part, name in kept.items():
        path = line.state / "records" / "pictures" / f"{name}.png"
        assert np.array_equal(np.asarray(Image.open(path)), sent[part])


def test_a_client_may_ask_and_normal_ones_are_kept_now_and_then(line: Line) -> None:
    _send(line, "asked", picture(10), ("keep", "1"))
    assert _kept(line, "asked")["picture"].startswith("asked/")
    for part in ("n1", "n2", "n3", "n4"):
        _send(line, part, picture(11))
    kept = [bool(_kept(line, part)["picture"]) for part in ("n1", "n2", "n3", "n4")]
    assert sorted(kept) == [False, False, True, True]
    assert kept[0] != kept[1]
    _send(line, "near", picture(126))
    assert _kept(line, "near")["picture"].startswith("near/")


def test_what_is_kept_is_counted_by_kind(line: Line) -> None:
    _send(line, "counted", picture(250))
    _kept(line, "counted")
    folder = line.state / "records" / "pictures"

    def is_told() -> bool:
        told = samples(fetch(line.daemon.folder / "metrics.sock"))
        return all(
            told["edge_agent_stored_pictures", (kind,)] == len([*(folder / kind).glob("*.json")])
            and told["edge_agent_stored_pictures_bytes", (kind,)]
            == sum(path.stat().st_size for path in (folder / kind).iterdir())
            for kind in ("asked", "anomalous", "near", "normal")
        )

    wait_until(is_told, "the metrics say what there is")


def test_what_a_disk_does_not_take_is_counted_and_a_folder_that_has_gone_is_made_anew(line: Line) -> None:
    folder = line.state / "records" / "pictures"
    metrics = line.daemon.folder / "metrics.sock"
    before = samples(fetch(metrics))["edge_agent_skipped_pictures_total", ()]
    shutil.rmtree(folder / "anomalous")
    (folder / "anomalous").write_bytes(b"")
    _send(line, "lost", picture(250))
    wait_until(lambda: samples(fetch(metrics))["edge_agent_skipped_pictures_total", ()] > before, "it is counted")
    (folder / "anomalous").unlink()
    wait_until((folder / "anomalous").is_dir, "it is made anew")
    numbers = itertools.count()

    def kept() -> str:  # a worker skips the one by which it notices that there is another socket
        part = f"after-{next(numbers)}"
        _send(line, part, picture(250))
        return str(_kept(line, part)["picture"])

    assert wait_until(kept, "pictures are kept again").startswith("anomalous/")


def test_export_is_a_dataset_with_a_persons_word_before_the_verdict(line: Line, tmp_path: Path) -> None:
    _send(line, "wrong", half_bright(), ("keep", "1"))
    _send(line, "right", picture(220))
    wrong, right = _kept(line, "wrong"), _kept(line, "right")
    line.records("confirm", str(wrong["id"]), "anomaly")
    line.records("confirm", str(right["id"]), "anomaly", "--label", "bright")
    target = tmp_path / "pictures"
    done = line.json("export", str(target), "echo", "--masks", "--confirmed")
    assert done == {"normal": 0, "anomaly": 2, "confirmed": 2, "gone": 0}
    assert {path.name for path in (target / "anomaly").iterdir()} == {f"{wrong['id']}.png", f"{right['id']}.png"}
    assert {path.name for path in (target / "masks").iterdir()} == {f"{right['id']}.png", "labels.json"}
    again = run("records", "export", target, "--state-dir", line.state)
    assert again.returncode == 1 and "is not empty" in again.stderr
    nowhere = run("records", "export", "/proc/pictures", "--state-dir", line.state)
    assert nowhere.returncode == 1 and nowhere.stderr.startswith("edge-agent: /proc/pictures"), nowhere
    everything = tmp_path / "everything"
    assert "pictures are in" in line.records("export", str(everything))
    checked = run("dataset", "check", everything, "--json")
    assert str(everything) not in checked.stderr and json.loads(checked.stdout)


def test_a_manifest_has_words_as_labels_verdicts_as_proposals_and_masks(line: Line, tmp_path: Path) -> None:
    _send(line, "proposed", half_bright(), ("keep", "1"))
    _send(line, "confirmed", picture(220))
    _send(line, "refuted", picture(221))
    ids = [_kept(line, part)["id"] for part in ("proposed", "confirmed", "refuted")]
    line.records("confirm", str(ids[1]), "anomaly", "--label", "scratch")
    line.records("confirm", str(ids[2]), "normal")
    target = tmp_path / "seen.manifest"
    line.records("export", str(target), "echo", "--masks")
    lines = {told["edge-agent-record"]: told for told in map(json.loads, target.read_text().splitlines())}
    proposed, confirmed, refuted = (lines[number] for number in ids)
    for told, label, by_people in (
        (proposed, "normal", "no"),
        (confirmed, "anomaly", "yes"),
        (refuted, "normal", "yes"),
    ):
        assert told["anomaly-label"] == int(label == "anomaly")
        said = told["anomaly-label-metadata"]
        assert (said["class-name"], said["human-annotated"]) == (label, by_people)
        assert (tmp_path / told["source-ref"]).exists()
        assert ("anomaly-mask-ref" in told) == (told is confirmed)
    assert confirmed["edge-agent-labels"] == ["scratch"] and not refuted["edge-agent-labels"]
    assert (tmp_path / confirmed["anomaly-mask-ref"]).exists()
    dataset = read_dataset(target)
    assert len(dataset.labelled) == len(lines)
    example = next(one for one in dataset.labelled if one.path.stem == str(ids[1]))
    assert (example.label, example.mask is not None and set(example.mask.colors) >= {"bright"}) == ("anomaly", True)


@pytest.mark.long
def test_when_the_keeper_is_stopped_pictures_are_skipped_and_calls_are_not_held_up(line: Line) -> None:
    def keepers() -> list[psutil.Process]:
        found = []
        for child in psutil.Process(line.daemon.process.pid).children():
            with contextlib.suppress(psutil.Error):  # it has been killed
                if "edge_agent.records.pictures.process" in child.cmdline():
                    found.append(child)
        return found

    (stopped,) = keepers()
    assert stopped.nice() == 19
    suspend(stopped)
    for number in range(6):
        _send(line, f"flood {number}", picture(220))
    os.kill(stopped.pid, signal.SIGCONT)
    kept = [bool(_kept(line, f"flood {number}")["picture"]) for number in range(6)]
    assert kept == [True, True, True, False, False, False]
    os.kill(stopped.pid, signal.SIGKILL)
    wait_until(lambda: [other for other in keepers() if other.pid != stopped.pid], "another keeper")

    def kept_again() -> bool:
        kept_again.number += 1  # type: ignore[attr-defined]
        part = f"again {kept_again.number}"  # type: ignore[attr-defined]
        _send(line, part, picture(220))
        found = wait_until(lambda: line.json("--part", part), "a record")
        return bool(found[0]["picture"])

    kept_again.number = 0  # type: ignore[attr-defined]
    wait_until(kept_again, "pictures are kept again")


def test_a_rule_that_can_not_be_read_ends_the_daemon_with_one_line(tmp_path: Path) -> None:
    done = run("serve", "--socket", f"unix://{tmp_path}/s", "--state-dir", tmp_path, "--keep", "some")
    assert done.returncode == 1
    assert "'some' in the setting 'keep' is not a rule" in done.stderr
    done = run(
        "serve", "--socket", f"unix://{tmp_path}/s", "--state-dir", tmp_path, "--keep-mib", "9", "--records", "off"
    )
    assert "records are off, but keep_mib is 9" in done.stderr
