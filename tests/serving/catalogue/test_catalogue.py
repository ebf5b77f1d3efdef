"""The catalogue: which version is served, what is wrong with the others, and what is noticed."""

from __future__ import annotations

import errno
import json
import os
from pathlib import Path
from typing import Any

import pytest

from edge_agent.access.rights import REMEDY
from edge_agent.serving.catalogue import catalogue as module
from edge_agent.serving.catalogue.catalogue import Catalogue, Entry
from tests.support.fakes import echo_fields, write_echo
from tests.support.keys import Signer
from tests.support.users import User, common_folder, prefix, run_as


def _scan(*folders: Path, **pins: str) -> dict[str, Entry]:
    return Catalogue(folders, pins).scan()


def _version(entry: Entry) -> str | None:
    return entry.component.manifest.version if entry.component else None


def _edit(folder: Path, **changes: Any) -> None:
    path = folder / "manifest.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))


def test_the_newest_version_by_semantic_versioning_is_served(tmp_path: Path) -> None:
    for version in ("1.2.0", "1.10.0", "2.0.0-rc.1", "1.9.9"):
        write_echo(tmp_path, version=version)
    assert _version(_scan(tmp_path)["echo"]) == "2.0.0-rc.1"
    assert _version(_scan(tmp_path, echo="1.2.0")["echo"]) == "1.2.0"


def test_a_pinned_version_that_is_not_there_is_a_problem(tmp_path: Path) -> None:
    write_echo(tmp_path)
    assert _scan(tmp_path, echo="3.0.0")["echo"] == Entry(None, "version 3.0.0 is pinned but not there")


def test_components_of_several_folders_are_one_catalogue(tmp_path: Path) -> None:
    write_echo(tmp_path / "a", "one")
    write_echo(tmp_path / "b", "two")
    write_echo(tmp_path / "b", "one", version="1.0.1")
    found = _scan(tmp_path / "a", tmp_path / "b", tmp_path / "not there")
    assert {name: _version(entry) for name, entry in found.items()} == {"one": "1.0.1", "two": "1.0.0"}


def test_a_broken_newer_version_is_reported_and_the_older_one_served(tmp_path: Path) -> None:
    write_echo(tmp_path)
    (write_echo(tmp_path, version="1.1.0") / "model.onnx").unlink()
    entry = _scan(tmp_path)["echo"]
    assert _version(entry) == "1.0.0"
    assert entry.problem == "version 1.1.0: artifact 'model.onnx' is missing"


def _missing_manifest(folder: Path) -> None:
    (folder / "manifest.json").unlink()


def _truncated_model(folder: Path) -> None:
    os.truncate(folder / "model.onnx", 40)


def _unreadable(folder: Path) -> None:
    (folder / "model.onnx").unlink()
    (folder / "model.onnx").mkdir()


@pytest.mark.parametrize(
    ("damage", "said"),
    [
        (_missing_manifest, "manifest.json is missing"),
        (_truncated_model, "artifact 'model.onnx' has SHA-256"),
        (_unreadable, "artifact 'model.onnx' is not a file"),
        (lambda folder: (folder / "manifest.json").write_text("{"), "manifest.json is not valid JSON"),
        (lambda folder: _edit(folder, threshold=2), "at key 'threshold'"),
        (lambda folder: _edit(folder, name="other"), "manifest.json says other 1.0.0, its folders say echo 1.0.0"),
        (lambda folder: _edit(folder, version="1.0.1"), "manifest.json says echo 1.0.1, its folders say echo 1.0.0"),
        (
            lambda folder: _edit(folder, input={"name": "picture", "width": 32, "height": 64}),
            "input 'picture' is float32 [1, 3, 64, 64], the manifest expects float32 [1, 3, 64, 32]",
        ),
        (
            lambda folder: _edit(folder, input={"name": "image", "width": 64, "height": 64}),
            "model.onnx has the inputs 'picture', the manifest expects only 'image'",
        ),
    ],
)
def test_a_broken_component_does_not_hide_the_others(tmp_path: Path, damage: Any, said: str) -> None:
    damage(write_echo(tmp_path))
    write_echo(tmp_path, "other")
    found = _scan(tmp_path)
    assert _version(found["other"]) == "1.0.0"
    assert found["echo"].component is None
    assert found["echo"].problem.startswith("version 1.0.0: ")
    assert said in found["echo"].problem


def test_what_is_not_a_component_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "lost+found" / "1.0.0").mkdir(parents=True)
    (tmp_path / ".hidden" / "1.0.0").mkdir(parents=True)
    (tmp_path / "README").write_text("a file")
    (tmp_path / "empty").mkdir()
    assert _scan(tmp_path) == {}


def test_a_folder_that_is_no_version_is_named(tmp_path: Path) -> None:
    write_echo(tmp_path).rename(tmp_path / "echo" / "latest")
    assert "folder 'latest' is not a semantic version" in _scan(tmp_path)["echo"].problem


def test_unchanged_components_are_not_read_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    good = write_echo(tmp_path)
    (write_echo(tmp_path, "bad") / "model.onnx").write_bytes(b"")
    loads: list[str] = []
    load = module._load

    def counted(name: str, *rest: Any) -> Any:
        loads.append(name)
        return load(name, *rest)

    monkeypatch.setattr(module, "_load", counted)
    catalogue = Catalogue([tmp_path], {})
    catalogue.scan()
    catalogue.scan()
    assert sorted(loads) == ["bad", "echo"]
    (good / "model.onnx").write_bytes(b"changed")
    assert catalogue.scan()["echo"].component is None
    write_echo(tmp_path, "bad", description="mended")
    assert _version(catalogue.scan()["bad"]) == "1.0.0"
    assert sorted(loads) == ["bad", "bad", "echo", "echo"]


def test_a_signature_that_comes_or_goes_is_noticed(tmp_path: Path) -> None:
    signer = Signer(tmp_path, "release")
    folder = write_echo(tmp_path / "models")
    catalogue = Catalogue([tmp_path / "models"], {}, trust=signer.trust())
    assert "it is not signed" in catalogue.scan()["echo"].problem
    signer.sign(folder)
    signed = catalogue.scan()["echo"].component
    assert signed is not None
    assert signed.signer == "release.pub.pem"
    Signer(tmp_path, "stranger").sign(folder)
    assert "does not fit" in catalogue.scan()["echo"].problem
    signer.sign(folder)
    assert catalogue.scan()["echo"].problem == ""
    (folder / "manifest.json.sig").unlink()
    assert "it is not signed" in catalogue.scan()["echo"].problem


def test_writing_a_component_is_never_seen_half_done(tmp_path: Path) -> None:
    """write_component replaces a version as a whole, and leaves nothing else behind."""
    write_echo(tmp_path, description="first")
    folder = write_echo(tmp_path, description="second")
    assert json.loads((folder / "manifest.json").read_text())["description"] == "second"
    assert [path.name for path in (tmp_path / "echo").iterdir()] == ["1.0.0"]
    assert echo_fields("echo", 64, 64)["version"] == "1.0.0"


def _registered(tmp_path: Path, *, models: Path | None = None, **pins: str) -> dict[str, Entry]:
    return Catalogue([models] if models else [], pins, tmp_path / "registry").scan()


def _register(tmp_path: Path, name: str, folder: Path) -> None:
    (tmp_path / "registry").mkdir(exist_ok=True)
    (tmp_path / "registry" / name).symlink_to(folder)


def test_a_registered_component_is_served_from_the_folder_that_its_link_names(tmp_path: Path) -> None:
    folder = write_echo(tmp_path / "elsewhere", version="1.2.0").rename(tmp_path / "unpacked")
    _register(tmp_path, "echo", folder)
    component = _registered(tmp_path)["echo"].component
    assert component is not None
    assert (component.folder, component.manifest.version) == (folder, "1.2.0")
    folder.rename(tmp_path / "gone")
    assert _registered(tmp_path) == {}, "a link whose folder has gone says nothing"


def test_a_registered_component_of_another_name_or_broken_is_told(tmp_path: Path) -> None:
    models = tmp_path / "models"
    _register(tmp_path, "other", write_echo(models))
    assert _registered(tmp_path)["other"].problem == ("as deployed: manifest.json says echo, it is registered as other")
    (tmp_path / "empty").mkdir()
    _register(tmp_path, "echo", tmp_path / "empty")
    entry = _registered(tmp_path, models=models)["echo"]
    assert (_version(entry), entry.problem) == ("1.0.0", "as deployed: manifest.json is missing")
    assert _version(_registered(tmp_path, models=models, echo="1.0.0")["echo"]) == "1.0.0"


@pytest.mark.parametrize("target", ["loop", "x" * 300])
def test_a_link_that_leads_nowhere_does_not_hide_the_others(tmp_path: Path, target: str) -> None:
    _register(tmp_path, "echo", write_echo(tmp_path / "built"))
    (tmp_path / "registry" / "loop").symlink_to(target)
    found = _registered(tmp_path)
    assert _version(found["echo"]) == "1.0.0"
    assert found["loop"].problem.startswith(f"as deployed: the folder {target} can't be read: ")
    write_echo(tmp_path / "models", "other")
    (tmp_path / "models" / "loop").symlink_to("loop")
    assert list(_scan(tmp_path / "models")) == ["other"]


@pytest.mark.parametrize(
    "where", ["edge_agent.serving.catalogue.catalogue.os.scandir", "edge_agent.component.artifacts.os.open"]
)
def test_what_can_not_be_seen_for_want_of_descriptors_is_neither_gone_nor_broken(
    tmp_path: Path, where: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(path: object, *ignored: object) -> Any:
        raise OSError(errno.EMFILE, os.strerror(errno.EMFILE))

    write_echo(tmp_path)
    catalogue = Catalogue([tmp_path], {})
    with monkeypatch.context() as patch:
        patch.setattr(where, fail)
        with pytest.raises(OSError, match="Too many open files"):
            catalogue.scan()
    assert _version(catalogue.scan()["echo"]) == "1.0.0"


def test_what_is_wrong_with_many_versions_is_told_of_a_few(tmp_path: Path) -> None:
    """Whatever is wrong, and however much, has to fit into an answer beside other models'."""
    for number in range(40):
        (write_echo(tmp_path, version=f"1.0.{number}") / "manifest.json").write_text(json.dumps({"x" * 100_000: 1}))
    write_echo(tmp_path, version="0.9.0")
    entry = _scan(tmp_path)["echo"]
    assert _version(entry) == "0.9.0"
    assert entry.problem.startswith("version 1.0.39: manifest.json: Object contains unknown field 'xxx")
    assert entry.problem.endswith("; 37 more versions can't be served")
    assert len(entry.problem) < 7000


def test_a_manifest_of_a_terabyte_is_not_read(tmp_path: Path) -> None:
    os.truncate(write_echo(tmp_path) / "manifest.json", 1 << 40)
    entry = _scan(tmp_path)["echo"]
    assert entry.problem == "version 1.0.0: manifest.json has 1099511627776 bytes, expected 16777216 at most"


@pytest.mark.parametrize("mode", [0o700, 0o744])
def test_what_may_not_be_looked_into_is_said(mode: int) -> None:
    """A component that somebody copied with root's umask is not simply missing."""
    program = (
        "import logging, sys; from pathlib import Path\n"
        "from edge_agent.serving.catalogue.catalogue import Catalogue\n"
        "logging.basicConfig(format='%(message)s', stream=sys.stdout)\n"
        "looks = Catalogue([Path(one) for one in sys.argv[1:]], {})\n"
        "for _ in range(2): found = looks.scan()\n"
        "print({name: entry.problem for name, entry in found.items()})\n"
    )
    stranger = User(64004, 64004)
    prefix(stranger)
    with common_folder() as common:
        echo, closed = common / "models" / "echo", common / "closed"
        (echo / "1.0.0").mkdir(parents=True)
        closed.mkdir()
        for folder in (echo, closed):
            folder.chmod(mode)
        said = run_as(stranger, "-c", program, str(echo.parent), str(closed)).stdout.splitlines()
        whose = f"belongs to user 'root' (0) and group 'root' (0), with mode {mode:04o}; {REMEDY}"
        why = "can't be read: Permission denied for user 64004:"
        assert f"the model folder {closed} {why} {closed} {whose}" in said
        assert len(said) == 2, "it is said once"
        assert said[-1] == str({"echo": f"the folder {echo} {why} {echo} {whose}"})
