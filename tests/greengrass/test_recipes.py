"""Every recipe that the project ships or makes, against what both nuclei take; and the rules themselves."""

from __future__ import annotations

import copy
import importlib.util
import json
import re
import subprocess
import sys
import zipfile
from pathlib import Path
from typing import Any

import pytest
import yaml

from edge_agent.component.manifest import Target
from edge_agent.component.version import parse_version
from edge_agent.delivery.recipe import model_recipe, write_recipe
from edge_agent.delivery.recipe_rules import MAX_BYTES, check_recipe
from edge_agent.version import __version__

GREENGRASS = Path(__file__).resolve().parents[2] / "greengrass"
SHIPPED = sorted(GREENGRASS.rglob("recipe.*"))


def _model(**changes: Any) -> dict[str, Any]:
    fields: dict[str, Any] = {
        "name": "cookies", "version": "1.0.0", "description": "Finds cracked cookies", "target": Target(arch="X86_64"),
        "stem": "cookies_1_0_0_greengrass_model_component", "sha256": "0" * 64,
        "artifact_uri": "s3://BUCKET/PREFIX/cookies/1.0.0/cookies_1_0_0_greengrass_model_component.zip",
        "agent": "EdgeAgent",
    }  # fmt: skip
    return model_recipe(**fields | changes)


@pytest.mark.parametrize("path", SHIPPED, ids=lambda path: str(path.relative_to(GREENGRASS)))
def test_a_shipped_recipe_runs_on_both_nuclei(path: Path) -> None:
    data = path.read_bytes()
    assert check_recipe(yaml.safe_load(data), len(data)) == []


def test_there_are_recipes_of_agent_client_line_model_and_studio() -> None:
    assert [path.parent.name for path in SHIPPED] == ["agent", "client", "line", "model", "studio"]


def test_the_example_of_a_model_component_is_what_package_makes() -> None:
    assert (GREENGRASS / "model" / "recipe.json").read_bytes() == write_recipe(_model(), "json")


@pytest.mark.parametrize("what", ["agent", "line", "studio"])
def test_our_recipes_have_the_packages_version(what: str) -> None:
    assert yaml.safe_load((GREENGRASS / what / "recipe.yaml").read_text())["ComponentVersion"] == __version__


@pytest.mark.parametrize("path", SHIPPED, ids=lambda path: str(path.relative_to(GREENGRASS)))
def test_every_script_is_a_shell_script(path: Path) -> None:
    for manifest in yaml.safe_load(path.read_text())["Manifests"]:
        for phase in set(manifest["Lifecycle"]) - {"Setenv"}:
            script = re.sub(r"\{[a-zA-Z]+:[^}]+\}", "/a/path", manifest["Lifecycle"][phase]["Script"])
            subprocess.run(["/bin/sh", "-n", "-c", script], check=True)


def _edit(path: str, value: Any) -> dict[str, Any]:
    """Change the key at `path` of a recipe that is right; `...` deletes it."""
    recipe = copy.deepcopy(_model())
    *parents, last = path.split("/")
    found: Any = recipe
    for key in parents:
        found = found[int(key)] if key.isdigit() else found[key]
    if value is ...:
        del found[last]
    else:
        found[last] = value
    return recipe


STARTUP = "Manifests/0/Lifecycle/startup"


@pytest.mark.parametrize(
    ("path", "value", "said"),
    [
        ("Manifests/0/Platform/runtime", ..., "Platform.runtime is None, expected '*'"),
        ("Manifests/0/Platform/architecture", "x86_64", "Platform.architecture is 'x86_64', expected amd64 or aarch64"),
        ("Manifests/0/Lifecycle", {}, "Lifecycle has neither run nor startup"),
        ("Manifests/0/Lifecycle", {"install": "true"}, "Lifecycle has neither run nor startup"),
        ("Manifests/0/Lifecycle/Run", "true", "Lifecycle has the key 'Run', expected 'run'"),
        ("Manifests/0/Lifecycle/setEnv", {}, "Lifecycle has the key 'setEnv', expected 'Setenv'"),
        (f"{STARTUP}/requiresPrivilege", True, "startup has the key 'requiresPrivilege', expected 'RequiresPrivilege'"),
        (f"{STARTUP}/Script", "true\n", "the script of startup must end with 'systemd-notify --ready || true'"),
        ("Manifests/0/Lifecycle/shutdown", {"Script": "echo ${HOME}"}, "the script of shutdown has a '{HOME}'"),
        ("Manifests/0/Lifecycle/shutdown", {"Script": "{ true; }"}, "the script of shutdown has a '{ true; }'"),
        ("Manifests/0/Lifecycle/shutdown", {"Script": "ls {EdgeAgent:artifacts:path}"}, "has a '{EdgeAgent:artifacts"),
        ("Manifests/0/Lifecycle/Setenv", {"A-B": "1"}, "Setenv has A-B='1'"),
        ("Manifests/0/Lifecycle/Setenv", {"A": 1}, "Setenv has A=1"),
        ("Manifests/0/Artifacts", [{"URI": "s3://b/k"}], "an artifact has the key 'URI', expected 'Uri'"),
        ("Manifests/0/Artifacts", [{"Uri": "https://x"}], "an artifact's Uri is 'https://x', expected s3://BUCKET/KEY"),
        (
            "ComponentDependencies",
            {"A": {"VersionRequirement": "^1.0.0", "DependencyType": "HARD"}},
            "version '^1.0.0'",
        ),
        ("ComponentDependencies", {"A": {"VersionRequirement": ">=1.0.0", "DependencyType": "Hard"}}, "is 'Hard'"),
        ("ComponentDependencies", {"{A": {"VersionRequirement": ">=1.0.0", "DependencyType": "HARD"}}, "'{A' can't be"),
        ("ComponentDescription", "a\n[Service]\nUser=root", "ComponentDescription has a line break"),
        ("ComponentVersion", "1.0", "ComponentVersion: '1.0' is not a semantic version"),
        ("ComponentConfiguration/Padding", "x" * MAX_BYTES, f"bytes, expected at most {MAX_BYTES}"),
    ],
)
def test_what_a_nucleus_would_not_take_is_named(path: str, value: Any, said: str) -> None:
    assert check_recipe(_model(), 100) == []
    recipe = _edit(path, value)
    (problem, *_) = check_recipe(recipe, len(json.dumps(recipe)))
    assert said in problem


def test_yaml_and_json_say_the_same() -> None:
    recipe = _model(description='éclairs: "whole" or #broken', target=Target(arch="ARM64"))
    assert yaml.safe_load(write_recipe(recipe, "yaml")) == json.loads(write_recipe(recipe, "json")) == recipe


@pytest.mark.parametrize("path", sorted((GREENGRASS / "iam").glob("*.json")), ids=lambda path: path.stem)
def test_a_policy_grants_nothing_on_everything_but_looking(path: Path) -> None:
    for statement in json.loads(path.read_text())["Statement"]:
        actions = statement["Action"] if isinstance(statement["Action"], list) else [statement["Action"]]
        assert not any("*" in action for action in actions)
        if statement["Resource"] == "*":
            assert all(re.fullmatch(r"greengrass:(List|Get)\w+", action) for action in actions)


def test_the_deployment_names_the_components() -> None:
    deployment = json.loads((GREENGRASS / "deployment.json").read_text())
    names = {yaml.safe_load(path.read_text())["ComponentName"] for path in SHIPPED}
    assert set(deployment["components"]) == names - {"EdgeAgentStudio", "EdgeAgentLine"}  # not every device has them
    assert deployment["components"]["EdgeAgent"]["componentVersion"] == __version__
    socket = json.loads(deployment["components"]["EdgeAgent"]["configurationUpdate"]["merge"])["Socket"]
    assert socket == "unix:///tmp/aws.iot.lookoutvision.EdgeAgent.sock"


def _build(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, str(GREENGRASS / "build.py"), *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False)


@pytest.mark.parametrize("version", ["1.1", "v1.1.1", "1.1.1.1", "latest", ""])
def test_an_ill_formed_version_of_a_component_is_named(tmp_path: Path, version: str) -> None:
    done = _build("agent", "--component-version", version, "-o", str(tmp_path / "packages"))
    assert done.returncode == 1
    assert done.stderr.startswith("Error: --component-version: ")
    assert f"'{version}'" in done.stderr
    assert not (tmp_path / "packages").exists()


def test_the_version_that_suits_a_components_name() -> None:
    spec = importlib.util.spec_from_file_location("greengrass_build", GREENGRASS / "build.py")
    assert spec is not None and spec.loader is not None
    build = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(build)
    known = parse_version(build._version(None, "aws.iot.lookoutvision.EdgeAgent", is_ours=True))
    assert (1, 0, 0) < known[:3] < (2, 0, 0), "fleets depend on >=1.0.0 <2.0.0"
    assert known[1] >= 100, "above every version that AWS' agent had"
    assert build._version(None, "EdgeAgent", is_ours=True) == __version__
    assert build._version(None, "com.example.Client", is_ours=False) == "1.0.0"
    for is_agent in (True, False):
        assert build._version("1.1.1", "aws.iot.lookoutvision.EdgeAgent", is_ours=is_agent) == "1.1.1"


@pytest.mark.long
def test_the_agents_component_has_the_version_that_was_asked_for(tmp_path: Path) -> None:
    name, version, location = "aws.iot.lookoutvision.EdgeAgent", "1.1.1", "s3://bucket/a"
    smallest = ("--arch", "x86_64", "--python", "3.11", "--location", location)
    done = _build("agent", "--name", name, "--component-version", version, *smallest, "-o", str(tmp_path))
    assert done.returncode == 0, done.stderr
    folder = tmp_path / name / version
    assert {path.name for path in folder.iterdir()} == {f"{name}-{version}.yaml", "edge_agent_x86_64.zip"}
    recipe = yaml.safe_load((folder / f"{name}-{version}.yaml").read_text())
    assert (recipe["ComponentName"], recipe["ComponentVersion"]) == (name, version)
    assert check_recipe(recipe, 1) == []
    (manifest,) = recipe["Manifests"]
    assert [artifact["Uri"] for artifact in manifest["Artifacts"]] == [
        f"{location}/{name}/{version}/edge_agent_x86_64.zip"
    ]
    with zipfile.ZipFile(folder / "edge_agent_x86_64.zip") as archive:
        wheels = [inside for inside in archive.namelist() if inside.startswith("wheels/edge_agent-")]
    assert wheels == [f"wheels/edge_agent-{__version__}-py3-none-any.whl"]  # the agent in it is the one that it is
