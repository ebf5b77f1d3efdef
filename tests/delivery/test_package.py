"""`edge-agent package` as a user types it: what comes out, and the jobs' records."""

from __future__ import annotations

import hashlib
import json
import os
import stat
import subprocess
import zipfile
from pathlib import Path
from typing import Any

import pytest
import yaml

from edge_agent.component.artifacts import check_artifacts
from edge_agent.component.manifest import Target, decode_manifest
from edge_agent.delivery.jobs import JobRecords
from edge_agent.delivery.packager import Order, package
from edge_agent.delivery.recipe_rules import check_recipe
from edge_agent.delivery.signing import check_signed
from edge_agent.serving.catalogue.catalogue import Catalogue
from tests.support.commands import failed, run
from tests.support.fakes import write_echo
from tests.support.keys import Signer

CPU = ("--target-platform", "LINUX/X86_64")


@pytest.fixture
def component(tmp_path: Path) -> Path:
    return write_echo(tmp_path / "models", description="An echo")


def _package(folder: Path, *arguments: object) -> subprocess.CompletedProcess[str]:
    return run("package", "--jobs-dir", folder / "jobs", *arguments)


def _described(folder: Path, *arguments: object) -> dict[str, Any]:
    done = _package(folder, *arguments, "--json")
    assert done.returncode == 0, done.stderr
    described: dict[str, Any] = json.loads(done.stdout)["ModelPackagingDescription"]
    return described


def test_what_a_gpu_computes_in_is_chosen_here(component: Path, tmp_path: Path) -> None:
    job = _described(tmp_path, component, *CPU, "--location", tmp_path / "out", "--precision", "fp16")
    with zipfile.ZipFile(job["ModelPackagingOutputDetails"]["Greengrass"]["Artifact"]) as archive:
        manifest = decode_manifest(archive.read("manifest.json"), source="manifest.json")
    assert manifest.precision == "fp16"
    assert "'fp8' is not one of" in _package(tmp_path, component, *CPU, "--precision", "fp8").stderr


def test_recipe_artifact_and_job(component: Path, tmp_path: Path) -> None:
    location = tmp_path / "out"
    job = _described(tmp_path, component, *CPU, "--location", location, "--tag", "line=7")
    made = job["ModelPackagingOutputDetails"]["Greengrass"]
    artifact, recipe_path = Path(made["Artifact"]), Path(made["Recipe"])
    assert artifact == location / "echo" / "1.0.0" / "echo_1_0_0_greengrass_model_component.zip"
    assert made["ArtifactSha256"] == hashlib.sha256(artifact.read_bytes()).hexdigest()
    with zipfile.ZipFile(artifact) as archive:
        archive.extractall(tmp_path / "registry" / "echo")
    unpacked = tmp_path / "registry" / "echo"
    manifest = decode_manifest((unpacked / "manifest.json").read_bytes(), source="manifest.json")
    check_artifacts(unpacked, manifest)
    assert manifest.target is not None
    assert (manifest.target.arch, manifest.target.compiler_options) == ("X86_64", {"mcpu": "core-avx2"})
    recipe = json.loads(recipe_path.read_text())
    assert check_recipe(recipe, recipe_path.stat().st_size) == []
    assert recipe["ComponentDependencies"]["EdgeAgent"]["DependencyType"] == "SOFT"
    assert (job["Status"], job["ProjectName"], job["ModelVersion"]) == ("SUCCEEDED", "echo", "1.0.0")
    chosen = job["ModelPackagingConfiguration"]["Greengrass"]
    assert chosen["TargetPlatform"] == {"Os": "LINUX", "Arch": "X86_64"}
    assert chosen["CompilerOptions"] == '{"mcpu":"core-avx2"}'
    assert chosen["Tags"] == [{"Key": "line", "Value": "7"}]
    again = _described(tmp_path, component, *CPU, "--location", tmp_path / "another")
    assert again["ModelPackagingOutputDetails"]["Greengrass"]["ArtifactSha256"] == made["ArtifactSha256"]


def test_the_component_has_a_name_and_version_of_its_own(component: Path, tmp_path: Path) -> None:
    location = tmp_path / "out"
    done = _package(
        tmp_path, component, "--target-device", "jetson_xavier", "--component-name", "com.example.Echo",
        "--component-version", "2.1.0", "--component-description", "Echoes\n loudly", "--location", "s3://bucket/a/b/",
        "--output", location, "--recipe-format", "yaml", "--agent-component", "aws.iot.lookoutvision.EdgeAgent",
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    folder = location / "com.example.Echo" / "2.1.0"
    recipe = yaml.safe_load((folder / "com.example.Echo-2.1.0.yaml").read_text())
    assert check_recipe(recipe, 1) == []
    assert recipe["ComponentDescription"] == "Echoes loudly"
    assert list(recipe["ComponentDependencies"]) == ["aws.iot.lookoutvision.EdgeAgent"]
    (manifest,) = recipe["Manifests"]
    assert manifest["Platform"] == {"os": "linux", "architecture": "aarch64", "runtime": "*"}
    key = "com.example.Echo/2.1.0/com_example_Echo_2_1_0_greengrass_model_component.zip"
    assert manifest["Artifacts"][0]["Uri"] == f"s3://bucket/a/b/{key}"
    with zipfile.ZipFile(location / key) as archive:
        archive.extractall(tmp_path / "registry" / "com.example.Echo")
    found = Catalogue([], {}, tmp_path / "registry").scan()["com.example.Echo"]
    assert found.problem.endswith("it was packaged for ARM64, this device is X86_64") or found.component is not None


def test_an_existing_name_and_version_is_refused_and_left_as_it_is(component: Path, tmp_path: Path) -> None:
    assert _package(tmp_path, component, *CPU, "--location", tmp_path / "out").returncode == 0
    (artifact,) = (tmp_path / "out").rglob("*.zip")
    before = artifact.stat()
    message = failed(_package(tmp_path, component, *CPU, "--location", tmp_path / "out"))
    there = tmp_path / "out" / "echo" / "1.0.0"
    assert message == f"edge-agent: component echo 1.0.0 exists already: {there}; choose another version"
    assert artifact.stat() == before
    (first, second), _ = JobRecords(tmp_path / "jobs").read_all()
    assert (first.status, second.status) == ("FAILED", "SUCCEEDED")
    assert first.status_message == message.removeprefix("edge-agent: ")


def test_jobs_are_listed_and_described(component: Path, tmp_path: Path) -> None:
    listed = _package(tmp_path, "--list")
    assert (listed.returncode, listed.stdout, listed.stderr) == (0, "", "no packaging jobs yet\n")
    for number in (1, 2):
        flags = ("--location", tmp_path / "out", "--component-version", f"{number}.0.0", "--job-name", f"job-{number}")
        assert _package(tmp_path, component, *CPU, *flags, "--job-description", "for line 7").returncode == 0
    rows = [line.split() for line in _package(tmp_path, "--list").stdout.splitlines()]
    assert rows[0] == ["JOB", "STATUS", "MODEL", "COMPONENT", "CREATED"]
    assert [row[:6] for row in rows[1:]] == [
        ["job-2", "SUCCEEDED", "echo", "1.0.0", "echo", "2.0.0"],
        ["job-1", "SUCCEEDED", "echo", "1.0.0", "echo", "1.0.0"],
    ]
    jobs = json.loads(_package(tmp_path, "--list", "--json").stdout)["ModelPackagingJobs"]
    assert [job["JobName"] for job in jobs] == ["job-2", "job-1"]
    assert set(jobs[0]) == {
        "JobName", "ProjectName", "ModelVersion", "ModelPackagingJobDescription", "ModelPackagingMethod", "Status",
        "StatusMessage", "CreationTimestamp", "LastUpdatedTimestamp",
    }  # fmt: skip
    described = _package(tmp_path, "--describe", "job-1").stdout
    assert 'target:       LINUX/X86_64 {"mcpu":"core-avx2"}\n' in described
    assert "description:  for line 7\n" in described
    assert failed(_package(tmp_path, "--describe", "job-3")).startswith(
        "edge-agent: there is no packaging job 'job-3' in"
    )
    taken = _package(tmp_path, component, *CPU, "--location", tmp_path / "x", "--job-name", "job-1")
    assert failed(taken) == "edge-agent: job 'job-1' exists already"


def test_a_job_whose_process_is_gone_has_failed(component: Path, tmp_path: Path) -> None:
    flags = ("--location", tmp_path / "out", "--job-name", "cut-off")
    assert _package(tmp_path, component, *CPU, *flags).returncode == 0
    record = tmp_path / "jobs" / "cut-off.json"
    record.write_text(record.read_text().replace("SUCCEEDED", "RUNNING"))
    job = _described(tmp_path, "--describe", "cut-off")
    assert (job["Status"], job["StatusMessage"]) == ("FAILED", "it was interrupted")


def test_a_record_that_can_not_be_read_does_not_hide_the_others(component: Path, tmp_path: Path) -> None:
    assert _package(tmp_path, component, *CPU, "--location", tmp_path / "out", "--job-name", "good").returncode == 0
    good = (tmp_path / "jobs" / "good.json").read_text()
    (tmp_path / "jobs" / "cut.json").write_text(good[:40])
    (tmp_path / "jobs" / "edited.json").write_text(good.replace("ComponentName", "Name"))
    listed = _package(tmp_path, "--list")
    assert listed.returncode == 0
    assert [line.split()[0] for line in listed.stdout.splitlines()] == ["JOB", "good"]
    assert sorted(line.partition("jobs/")[2][:12] for line in listed.stderr.splitlines()) == [
        "cut.json can",
        "edited.json ",
    ]
    assert "can't be read" in failed(_package(tmp_path, "--describe", "cut"))


@pytest.mark.parametrize(
    ("flags", "said"),
    [
        ((), "name a --target-device or a --target-platform, and not both"),
        ((*CPU, "--target-device", "jetson_xavier"), "name a --target-device or a --target-platform, and not both"),
        (
            ("--target-device", "jetson_xavier", "--compiler-options", "{}"),
            "--compiler-options go with a --target-platform",
        ),
        ((*CPU, "--component-version", "1.0"), "'1.0' is not a semantic version"),
        ((*CPU, "--component-name", "a b"), "'a b' can't be the name of a model component"),
        ((*CPU, "--tag", "line"), "'line' is not KEY=VALUE"),
        ((*CPU, "--tag", "a=1", "--tag", "a=2"), "the key 'a' is given twice"),
        ((*CPU, "--tag", "aws:a=1"), "'aws:a=1' is not KEY=VALUE"),
        ((*CPU, "--publish"), "--publish needs a --location in S3"),
        ((*CPU, "--list"), "name a COMPONENT to package, or one of --list"),
    ],
)
def test_wrong_usage(component: Path, tmp_path: Path, flags: tuple[str, ...], said: str) -> None:
    done = _package(tmp_path, component, *flags)
    assert done.returncode == 2
    assert said in " ".join(done.stderr.split())
    assert not (tmp_path / "jobs").exists()


def test_what_can_not_be_packaged(component: Path, tmp_path: Path) -> None:
    assert failed(_package(tmp_path, tmp_path, *CPU)) == (
        f"edge-agent: {tmp_path} is not a model component: manifest.json is missing; expected the folder of one "
        "version of a model component, such as models/cookies/1.0.0"
    )
    assert failed(_package(tmp_path, tmp_path / "none", *CPU)) == (
        f"edge-agent: {tmp_path}/none does not exist, expected the folder of one version of a model component, such "
        "as models/cookies/1.0.0"
    )
    for place in ("s3:///models", "s3://[bad", "s3://B_b/x", "s3://bucket/a b"):
        done = _package(tmp_path, component, *CPU, "--location", place, "--output", tmp_path / "out")
        assert f"location '{place}' is not a place in S3, expected s3://BUCKET/PREFIX" in failed(done)
    assert "the recipe would be refused: the recipe has" in failed(
        _package(tmp_path, component, *CPU, "--location", tmp_path / "out", "--component-description", "x" * 9000)
    )
    assert not (tmp_path / "out" / "echo").exists(), "what failed leaves nothing"
    (component / "model.onnx").write_bytes(b"other")
    assert "artifact 'model.onnx' has SHA-256" in failed(_package(tmp_path, component, *CPU))


def test_an_unknown_combination_is_noted() -> None:
    listed = json.loads(run("package", "--known-targets", "--json").stdout)
    assert {"gpu-code", "trt-ver", "cuda-ver", "mcpu"} == {key for row in listed for key in row["compiler_options"]}
    assert run("package", "--known-targets").stdout.startswith("HARDWARE")


def _unpack(artifact: Path, folder: Path) -> Path:
    with zipfile.ZipFile(artifact) as archive:
        archive.extractall(folder)
    return folder


def test_a_component_is_signed_as_it_is_packaged(component: Path, tmp_path: Path) -> None:
    """Its manifest is another one than that of the model: it has the target."""
    signer = Signer(tmp_path, "release")
    signer.sign(component)
    flags = (*CPU, "--location", tmp_path / "out")
    assert failed(_package(tmp_path, component, *flags)) == (
        f"edge-agent: {component} is signed, and its packaged manifest.json is another one (it has the target): sign "
        "it with --sign-key, or remove manifest.json.sig"
    )
    job = _described(tmp_path, component, *flags, "--sign-key", signer.private)
    artifact = Path(job["ModelPackagingOutputDetails"]["Greengrass"]["Artifact"])
    _unpack(artifact, tmp_path / "registry" / "echo")
    entry = Catalogue([], {}, tmp_path / "registry", signer.trust()).scan()["echo"]
    if entry.component is not None:  # this device is an X86_64
        assert entry.component.signer == "release.pub.pem"
    assert "manifest.json.sig" not in entry.problem


def test_a_signature_travels_with_a_manifest_that_stays_as_it_is(component: Path, tmp_path: Path) -> None:
    """Packaged, signed by somebody who has the key, and packaged again for the same target."""
    signer = Signer(tmp_path, "release")
    target = Target(arch="X86_64", compiler_options={"mcpu": "core-avx2"})
    order = Order(component, target, tmp_path / "first")
    records = JobRecords(tmp_path / "jobs")
    package(order, records, None)
    (artifact,) = order.output.rglob("*.zip")
    unpacked = _unpack(artifact, tmp_path / "unpacked")
    signer.sign(unpacked)
    again = order._replace(component=unpacked, output=tmp_path / "second")
    package(again, records, None)
    (artifact,) = again.output.rglob("*.zip")
    signed = _unpack(artifact, tmp_path / "signed")
    assert check_signed(signed, signer.trust()) == "release.pub.pem"


def test_what_is_made_can_be_read_by_a_nucleus_whatever_the_umask(component: Path, tmp_path: Path) -> None:
    output = tmp_path / "deep" / "out"
    before = os.umask(0o077)
    try:
        done = _package(tmp_path, component, *CPU, "--location", output)
    finally:
        os.umask(before)
    assert done.returncode == 0, done.stderr
    made = output / "echo" / "1.0.0"
    assert [stat.S_IMODE(path.stat().st_mode) for path in (output.parent, output, made.parent, made)] == [0o755] * 4
    assert {stat.S_IMODE(path.stat().st_mode) for path in made.iterdir()} == {0o644}
    (artifact,) = made.glob("*.zip")
    with zipfile.ZipFile(artifact) as archive:
        assert {entry.external_attr >> 16 for entry in archive.infolist()} == {stat.S_IFREG | 0o644}


def test_the_lines_at_the_end_can_be_typed_as_they_are(component: Path, tmp_path: Path) -> None:
    """From any folder: with tools that stand for the nucleus' and say what they were given."""
    output = tmp_path / "my packages"
    done = _package(tmp_path, component, *CPU, "--location", output)
    *_, classic, _, lite = done.stdout.splitlines()
    tools = tmp_path / "tools"
    tools.mkdir()
    (tools / "sudo").write_text('#!/bin/sh\nfor word in "$@"; do echo "$word"; done\n')
    (tools / "sudo").chmod(0o755)
    said = [
        subprocess.run(
            line,
            shell=True,
            cwd="/",
            capture_output=True,
            text=True,
            check=True,
            env={"PATH": f"{tools}:/usr/bin:/bin"},
        ).stdout.splitlines()
        for line in (classic, lite)
    ]
    assert said[0] == [
        "/greengrass/v2/bin/greengrass-cli", "deployment", "create", "--recipeDir", f"{output}/echo/1.0.0",
        "--artifactDir", str(output), "--merge", "echo=1.0.0",
    ]  # fmt: skip
    recipes = output / "recipes"
    assert said[1] == [
        "ggl-cli", "deploy", "--recipe-dir", str(recipes), "--artifacts-dir", str(output),
        "--add-component", "echo=1.0.0",
    ]  # fmt: skip
    assert [path.name for path in recipes.iterdir()] == ["echo-1.0.0.json"]
