"""The studio over HTTP, as its pages and other programs use it: a real process, real pictures, a real training."""

from __future__ import annotations

import gzip
import io
import json
import socket
from collections.abc import Iterator
from pathlib import Path

import msgspec
import numpy as np
import pytest
from PIL import Image

from edge_agent.client.client import Client
from edge_agent.component.manifest import decode_manifest
from edge_agent.component.trust import Trust, read_trusted_keys
from edge_agent.delivery.signing import check_signed, make_key_pair
from edge_agent.studio.api.openapi import openapi
from edge_agent.studio.api.table import OPERATIONS
from tests.support.daemon import PATIENCE, running_daemon, wait_until
from tests.support.fakes import half_bright, write_echo
from tests.support.parts import write_folders
from tests.support.studio import Studio, running_studio


@pytest.fixture(scope="module")
def studio(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Studio]:
    with running_studio(tmp_path_factory.mktemp("studio") / "data") as found:
        yield found


def png(color: tuple[int, int, int], size: tuple[int, int] = (96, 64)) -> bytes:
    content = io.BytesIO()
    Image.new("RGB", size, color).save(content, "PNG")
    return content.getvalue()


@pytest.fixture
def project(studio: Studio, request: pytest.FixtureRequest) -> str:
    name = f"p{abs(hash(request.node.name)) % 10**9}"
    studio.post("/projects", {"name": name})
    studio.send("PATCH", f"/projects/{name}", {"labels": [{"name": "scratch", "color": "#2ca02c"}]})
    return name


def upload(studio: Studio, project: str, name: str, content: bytes) -> dict[str, object]:
    answer = studio.ask("PUT", f"/api/projects/{project}/uploads/{name}", content)
    assert answer.status == 200, answer.content
    found: dict[str, object] = answer.json
    return found


@pytest.mark.long
def test_from_pictures_to_a_model(tmp_path: Path) -> None:
    """Take in a folder, train, measure, try, choose another threshold."""
    dataset = write_folders(tmp_path / "dataset", normal=12, anomaly=8, masks=True)
    unseen = write_folders(tmp_path / "unseen", normal=2, anomaly=2, first=900)
    with running_studio(tmp_path / "data") as studio:
        studio.post("/projects", {"name": "part"})
        job = studio.job(studio.post("/projects/part/import", {"path": str(dataset)})["job"])
        assert job["job"]["state"] == "done", job
        assert job["result"] == {"added": 20, "duplicate": 0, "refused": 0}
        project = studio.get("/projects/part")
        assert (project["normal"], project["anomaly"], project["masks"]) == (12, 8, 8)
        options = {"task": "classification", "quality": "speed"}
        trained = studio.job(studio.post("/projects/part/train", options)["job"])
        assert trained["job"]["state"] == "done", trained
        assert "--speed" in json.loads((studio.data / f"jobs/{trained['job']['id']}/job.json").read_text())["command"]
        (model,) = studio.get("/projects/part/models")
        assert model["version"] == "1.0.0"
        outlook = studio.get("/projects/part/models/1.0.0/outlook")
        said = trained["result"]["outlook"]
        assert (outlook["f1"], outlook["false_alarms"]) == (said["f1"], said["false_alarms"])
        assert [one["text"] for one in outlook["advice"]] == [one["text"] for one in said["advice"]] != []
        for hard, told in zip(outlook["hardest"], said["hardest"], strict=True):
            picture = studio.get(f"/projects/part/pictures/{hard['id']}")
            assert told["picture"] == f"pictures/{picture['file']}" and picture["class"] == hard["label"]
        assert model["trained_on"]["normal"] == 12
        measured = studio.job(studio.post("/projects/part/models/1.0.0/evaluate", {"part": "train"})["job"])
        assert measured["job"]["state"] == "done", measured
        assert "evaluation/evaluation.html" in measured["files"]
        page = studio.ask("GET", f"/api/jobs/{measured['job']['id']}/files/evaluation/evaluation.html")
        assert "sandbox" in page.headers["content-security-policy"]
        for path in sorted(unseen.rglob("*.png")):
            upload(studio, "part", f"{path.parent.name}-{path.name}", path.read_bytes())
        tried = studio.job(studio.post("/projects/part/models/1.0.0/try")["job"])
        assert tried["job"]["state"] == "done", tried
        judged = studio.get("/projects/part/pictures?class=none&order=score")["pictures"]
        assert len(judged) == 4
        assert {p["judged_by"] for p in judged} == {"part 1.0.0"}
        assert [p["file"].startswith("anomaly") for p in judged] == [True, True, False, False]
        other = studio.post("/projects/part/models/1.0.0/threshold", {"threshold": 0.25})
        assert (other["version"], other["threshold"]) == ("1.1.0", 0.25)
        manifest = decode_manifest((studio.data / "models/part/1.1.0/manifest.json").read_bytes(), source="manifest")
        assert manifest.training["made_from"] == "1.0.0"
        assert studio.get("/projects/part/models/1.1.0/outlook")["f1"] is None, "of another threshold it is not known"


def test_from_a_model_to_a_verdict_on_the_device(tmp_path: Path) -> None:
    """Choose another threshold, sign, package, deploy to an agent, roll back."""
    models = tmp_path / "agent" / "models"
    models.mkdir(parents=True)
    write_echo(tmp_path / "data" / "models", "part")
    with (
        running_daemon(tmp_path / "agent") as daemon,
        running_studio(tmp_path / "data", "--deploy-to", str(models), agent=daemon.socket) as studio,
    ):
        studio.post("/projects", {"name": "part"})
        other = studio.post("/projects/part/models/1.0.0/threshold", {"threshold": 0.25})
        assert (other["version"], other["threshold"]) == ("1.1.0", 0.25)

        keys = make_key_pair(tmp_path / "release.pem")
        studio.post("/projects/part/models/1.1.0/sign", {"key": str(keys.private)})
        trust = Trust(True, read_trusted_keys([keys.public]))
        assert check_signed(studio.data / "models/part/1.1.0", trust)
        refused = studio.ask("POST", "/api/projects/part/models/1.1.0/sign", b'{"key": "/nowhere.pem"}')
        assert (refused.status, "/nowhere.pem" in refused.error) == (400, True)
        orders: list[tuple[str, dict[str, str]]] = [
            ("1.0.0", {}),
            ("1.1.0", {"platform": "LINUX/ARM64", "component": "plant.part", "sign_key": str(keys.private)}),
        ]
        for version, order in orders:
            packaged = studio.job(studio.post(f"/projects/part/models/{version}/package", order)["job"])
            assert packaged["job"]["state"] == "done", packaged
            files = {file.rpartition("/")[2] for file in packaged["files"]}
            recipe = f"{order.get('component', 'part')}-{version}.json"
            assert recipe in files and any(name.endswith(".zip") for name in files), files

        def served() -> str:
            (found,) = studio.get("/device")["models"] or [{"deployed": "", "status": ""}]
            return f"{found['deployed']} {found['status']}"

        studio.post("/device/deploy", {"project": "part", "version": "1.1.0"})
        wait_until(lambda: served() == "1.1.0 STOPPED", "the agent knows the model")
        studio.post("/device/start", {"model": "part"})
        wait_until(lambda: served() == "1.1.0 RUNNING", "the model runs")

        def threshold() -> float:
            with Client(daemon.socket) as client:
                return client.detect("part", half_bright()).threshold

        assert threshold() == pytest.approx(0.25)
        studio.post("/device/deploy", {"project": "part", "version": "1.0.0"})
        wait_until(lambda: threshold() != pytest.approx(0.25), "it has been rolled back")
        wait_until(lambda: served() == "1.0.0 RUNNING", "it is shown")
        studio.post("/device/stop", {"model": "part"})
        wait_until(lambda: served() == "1.0.0 STOPPED", "it has stopped")


def test_pictures_are_sent_one_by_one_and_each_answer_says_what_became_of_it(studio: Studio, project: str) -> None:
    content = png((1, 2, 3))
    assert upload(studio, project, "a.png", content)["state"] == "added"
    again = upload(studio, project, "b.png", content)
    assert (again["state"], again["file"]) == ("duplicate", "a.png")
    refused = studio.ask("PUT", f"/api/projects/{project}/uploads/c.png", b"no picture")
    assert refused.status == 400
    assert "c.png" in refused.error
    page = studio.get(f"/projects/{project}/pictures")
    assert page["total"] == 1
    (picture,) = page["pictures"]
    path = f"/api/projects/{project}/pictures/{picture['id']}"
    assert studio.ask("GET", f"{path}/image").content == content
    thumbnail = studio.ask("GET", f"{path}/thumbnail")
    assert thumbnail.headers["content-type"] == "image/jpeg"
    assert not list(studio.data.glob(".receiving-*"))


def test_a_mask_comes_back_as_it_was_sent(studio: Studio, project: str) -> None:
    number = upload(studio, project, "a.png", png((5, 5, 5)))["id"]
    path = f"/api/projects/{project}/pictures/{number}/mask"
    painted = np.random.default_rng(2).integers(0, 2, (64, 96)).astype(np.uint8)
    saved = studio.ask("PUT", f"{path}?revision=0", gzip.compress(painted.tobytes()), {"content-encoding": "gzip"})
    assert saved.json == {"revision": 1, "marked": ["scratch"]}
    read = studio.ask("GET", path)
    assert read.content == painted.tobytes()
    assert read.headers["etag"] == '"1"'
    conflict = studio.ask("PUT", f"{path}?revision=0", bytes(6144))
    assert conflict.status == 409
    assert "was changed by local meanwhile" in conflict.error
    layer = studio.ask("GET", path.removesuffix("mask") + "layer")
    with Image.open(io.BytesIO(layer.content)) as image:
        assert image.mode == "RGBA"
        alpha = np.asarray(image)[..., 3]
        assert ((alpha > 0) & (alpha < 255)).tolist() == (painted > 0).tolist(), "a light fill; its outline is opaque"


@pytest.mark.parametrize(
    ("method", "path", "body", "status", "message"),
    [
        ("POST", "/projects", b"{", 400, "the request can't be used"),
        ("POST", "/projects", b'{"name": "../x"}', 400, "'../x' can't be the name of a project"),
        ("POST", "/projects", b'{"name": "x", "nonsense": 1}', 400, "nonsense"),
        ("GET", "/projects/none", None, 404, "there is no project 'none'"),
        ("GET", "/projects/PROJECT/pictures?class=good", None, 400, "the query can't be used"),
        ("GET", "/projects/PROJECT/pictures/999999", None, 404, "has no picture 999999"),
        ("POST", "/projects/PROJECT/train", b"{}", 400, "has no picture with a class"),
        ("POST", "/projects/PROJECT/train", b'{"quality": "finest"}', 400, "Invalid enum value 'finest'"),
        ("POST", "/projects/PROJECT/train", b'{"input_size": "100x100"}', 400, "'100x100', expected multiples of 32"),
        ("POST", "/projects/PROJECT/train", b'{"input_size": "64x64", "quality": "best"}', 400, "expected one"),
        ("GET", "/projects/PROJECT/models/1.0.0/outlook", None, 404, "there is no version 1.0.0"),
        ("POST", "/projects/PROJECT/import", b'{"path": "pictures"}', 400, "'pictures' is not a whole path"),
        ("POST", "/projects/PROJECT/import", b'{"path": "/nowhere"}', 400, "'/nowhere' does not exist"),
        ("POST", "/projects/PROJECT/models/1.0.0/try", b"{}", 404, "there is no version 1.0.0"),
        ("POST", "/projects/PROJECT/models/../try", b"{}", 400, "'..' is not a semantic version"),
        ("GET", "/jobs/999", None, 404, "there is no job 999"),
        ("GET", "/jobs/1/files/..%2f..%2fstudio.db", None, 404, ""),
        ("POST", "/device/start", b'{"model": "x"}', 503, "no agent answers"),
    ],
)
def test_what_is_refused(
    studio: Studio, project: str, method: str, path: str, body: bytes | None, status: int, message: str
) -> None:
    answer = studio.ask(method, "/api" + path.replace("PROJECT", project), body)
    assert answer.status == status, answer.content
    if message:
        assert message in answer.error


def test_another_page_in_the_same_browser_can_change_nothing(studio: Studio, project: str) -> None:
    body = json.dumps({"name": "evil"}).encode()
    assert studio.ask("POST", "/api/projects", body, {"origin": "http://evil.example"}).status == 403
    bare = {"x-edge-agent-studio": ""}
    request = f"POST /api/projects HTTP/1.1\r\nHost: 127.0.0.1:{studio.port}\r\nContent-Length: {len(body)}\r\n\r\n"
    assert b" 403 " in _raw(studio, request.encode() + body).split(b"\r\n")[0]
    rebound = studio.ask("GET", "/api/projects", headers={"host": "evil.example", **bare})
    assert rebound.status == 403
    assert "this studio is not 'evil.example'" in rebound.error
    assert not (studio.data / "projects" / "evil").exists()


def _raw(studio: Studio, request: bytes) -> bytes:
    with socket.create_connection(("127.0.0.1", studio.port), timeout=PATIENCE) as connection:
        connection.sendall(request)
        return connection.recv(1 << 16)


def test_every_answer_has_a_policy_without_inline_scripts(studio: Studio, project: str) -> None:
    for path in (
        "/",
        f"/projects/{project}",
        "/device",
        "/jobs",
        "/static/scripts/frame.js",
        "/api/projects",
        "/api/x",
    ):
        answer = studio.ask("GET", path)
        if path != "/api/x":
            assert answer.status == 200, path
            assert "script-src 'self'" in answer.headers["content-security-policy"], path
            assert answer.headers["x-content-type-options"] == "nosniff", path
    assert studio.ask("GET", "/static/../server.py").status == 404
    assert studio.ask("GET", "/static/%2e%2e/%2e%2e/server.py").status == 404


def test_a_picture_that_is_far_too_large_is_refused_before_it_is_decoded(studio: Studio, project: str) -> None:
    content = io.BytesIO()
    Image.new("1", (20_000, 20_000)).save(content, "PNG")
    answer = studio.ask("PUT", f"/api/projects/{project}/uploads/large.png", content.getvalue())
    assert answer.status == 400
    assert "large.png" in answer.error


def test_the_words_of_a_page_are_the_browsers(studio: Studio) -> None:
    assert "Projekte" in studio.ask("GET", "/", headers={"accept-language": "de-DE"}).content.decode()
    assert "项目" in studio.ask("GET", "/", headers={"cookie": "edge_agent_language=zh"}).content.decode()


def test_the_openapi_document_has_every_operation(studio: Studio) -> None:
    document = studio.get("/openapi.json")
    assert document == json.loads(msgspec.json.encode(openapi(OPERATIONS, "/api")))
    described = [entry["operationId"] for path in document["paths"].values() for entry in path.values()]
    assert sorted(described) == sorted(operation.name for operation in OPERATIONS)
    assert len(set(described)) == len(described)
    text = json.dumps(document)
    for reference in {part.split('"')[0] for part in text.split("#/components/schemas/")[1:]}:
        assert reference in document["components"]["schemas"]


def test_lines_are_written_listed_and_refused(studio: Studio, tmp_path: Path) -> None:
    form = {"name": "one", "place": str(tmp_path), "model": "flange"}
    made = studio.post("/line-compose", form)
    assert made["mistakes"] == []
    (mistake,) = studio.post("/line-check", {"text": made["text"].replace("after", "afer")})["mistakes"]
    assert made["text"].splitlines()[mistake["line"] - 1].startswith("after")
    saved = studio.send("PUT", "/lines/one/file", {"text": made["text"]}).json
    assert (saved["is_there"], saved["mistakes"]) == (True, [])
    taken = studio.send("PUT", "/lines/one/file", {"text": made["text"]})
    assert (taken.status, taken.error) == (409, "there is a line 'one' already")
    wrong = studio.send("PUT", "/lines/one/file", {"text": "name = 1", "revision": saved["revision"]})
    assert (wrong.status, "mistakes, the first" in wrong.error) == (400, True)
    folder = studio.data / "lines"
    (folder / "odd.toml").write_text('name = 3\nsource = "x"\nmodel = [1]\ncycle_ms = true\n[[step]]\ndo = []\n')
    (folder / "latin.toml").write_bytes('name = "Bräter"'.encode("latin-1"))
    found = studio.get("/lines")
    assert found["folder"] == str(folder)
    lines = {line["name"]: line for line in found["lines"]}
    assert lines.keys() >= {"one", "odd", "latin"}
    assert (lines["one"]["state"], lines["one"]["can_start"]) == ("stopped", True)
    assert (lines["one"]["source"], lines["one"]["models"]) == (f"folder {tmp_path}", ["flange"])
    assert (lines["odd"]["state"], lines["latin"]["state"]) == ("mistakes", "mistakes")
    for name, verb, said in (
        ("odd", "start", "has mistakes"),
        ("one", "stop", "does not run"),
        ("none", "start", "no"),
    ):
        assert said in studio.send("POST", f"/lines/{name}/{verb}").error
    assert studio.send("POST", "/line-trials", {"text": "name = 1"}).status == 400
    assert studio.ask("GET", "/api/line-trials/1").status == 404


@pytest.mark.parametrize("name", ["..%2f..%2fx", ".hidden", "-rf", "a%20b", "%00", "a%0a", "x" * 65, "a%2fb"])
def test_names_of_lines_lead_nowhere(studio: Studio, name: str) -> None:
    for method, path in (("PUT", "/file"), ("GET", "/file"), ("DELETE", "/file"), ("POST", "/start"), ("GET", "/log")):
        body = b'{"text": "", "draft": true}' if method == "PUT" else b'{"revision": ""}'
        answer = studio.ask(method, f"/api/lines/{name}{path}", None if method == "GET" else body)
        assert answer.status in (400, 404, 405), (method, path, answer)
    assert not list(studio.data.rglob("*.draft"))


def test_a_line_is_changed_by_engineers_alone() -> None:
    """Its file names programs and paths that the device then uses: to read it is theirs, too."""
    of_lines = {op.name: op.role for op in OPERATIONS if op.path.startswith(("/lines", "/line-"))}
    assert {name for name, role in of_lines.items() if role != "engineer"} == {
        "ListLines",
        "DescribeLine",
        "GetLineLastPicture",
        "GetLineLog",
    }
