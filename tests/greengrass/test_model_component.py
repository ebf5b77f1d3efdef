"""A model component on a device: it registers, is replaced without a refused call, and withdraws."""

from __future__ import annotations

import platform
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from edge_agent.delivery.jobs import JobRecords
from edge_agent.delivery.packager import Order, package
from edge_agent.delivery.publishing import parse_place
from edge_agent.delivery.targets import target_platform
from edge_agent.hardware.processor import architecture
from edge_agent.serving.rpc import edge_agent_pb2 as pb2
from tests.greengrass.nucleus import Component, Flavour, Nucleus, running_nucleus
from tests.support.daemon import PATIENCE, Daemon, bytes_request, running_daemon, wait_until
from tests.support.fakes import picture, write_echo

NUCLEUS_WORD = {"x86_64": "amd64", "aarch64": "aarch64"}[platform.machine()]


def make_package(folder: Path, version: str, threshold: float) -> Path:
    """Package an echo model for this machine, and return the folder of its component."""
    component = write_echo(folder / "built", version=version, threshold=threshold)
    options = '{"mcpu": "x86-64"}' if architecture() == "X86_64" else None
    order = Order(
        component,
        target_platform(f"LINUX/{architecture()}", options),
        folder / "packages",
        place=parse_place("s3://bucket/models"),
        agent="EdgeAgent",
    )
    package(order, JobRecords(folder / "jobs"), None)
    return folder / "packages" / "echo" / version


@pytest.fixture
def agent(tmp_path: Path) -> Iterator[Daemon]:
    registry = tmp_path / "registry"
    with running_daemon(tmp_path, "--registry", str(registry)) as daemon:
        yield daemon


def _threshold(daemon: Daemon) -> float:
    response: pb2.DetectAnomaliesResponse = daemon.stub("DetectAnomalies", bytes_request("echo", picture(51)))
    return round(response.detect_anomaly_result.anomaly_threshold, 4)


def _deploy(nucleus: Nucleus, folder: Path, registry: Path, *, local: bool) -> Component:
    nucleus.is_privileged = False  # the registry is this test's own
    return nucleus.deploy(folder, local=local, architecture=NUCLEUS_WORD, configuration={"Registry": str(registry)})


@pytest.mark.parametrize(("flavour", "local"), [("classic", False), ("classic", True), ("lite", False), ("lite", True)])
def test_a_deployed_model_is_served_replaced_and_withdrawn(
    agent: Daemon, tmp_path: Path, flavour: Flavour, local: bool
) -> None:
    registry = tmp_path / "registry"
    registry.mkdir()
    with running_nucleus(flavour) as nucleus:
        _deploy(nucleus, make_package(tmp_path, "1.0.0", 0.5), registry, local=local)
        wait_until(lambda: "echo" in agent.stub.listed(), "the agent knows the model")
        agent.stub.start("echo")
        assert _threshold(agent) == 0.5
        _deploy(nucleus, make_package(tmp_path, "1.1.0", 0.6), registry, local=local)
        wait_until(lambda: _threshold(agent) == 0.6, "the new version answers, and every call until then was answered")
        if local:
            wait_until(lambda: len(_unpacked_versions(nucleus)) == 1, "what came before goes when this one serves")
            assert sorted(path.name for path in registry.iterdir()) == ["echo"]
        agent.stub("StopModel", pb2.StopModelRequest(model_component="echo"))
        if flavour == "lite" and local:
            return  # lite leaves the work folder of a local deployment: docs/greengrass.md says so
        nucleus.remove("echo")
        wait_until(lambda: agent.stub.listed() == {}, "the agent no longer knows it")
        assert not (registry / "echo").is_symlink() or flavour == "lite", "on lite the link may stay; it leads nowhere"


@pytest.mark.long  # a start of the model for each step
def test_a_startup_that_is_killed_at_each_step_leaves_a_model_that_starts(agent: Daemon, tmp_path: Path) -> None:
    registry = tmp_path / "registry"
    registry.mkdir()
    second = make_package(tmp_path, "2.0.0", 0.6)
    with running_nucleus("lite") as nucleus:
        first = _deploy(nucleus, make_package(tmp_path, "1.0.0", 0.5), registry, local=True)
        wait_until(lambda: "echo" in agent.stub.listed(), "the agent knows the model")
        agent.stub.start("echo")
        update = nucleus.place(second, local=True, architecture=NUCLEUS_WORD, configuration={"Registry": str(registry)})
        script = update.lifecycle["startup"]["Script"].splitlines()
        killed = 0
        for number, line in enumerate(script):
            if line.split()[0] in ("else", "fi", "done", "esac") or line.endswith(";;"):
                continue
            nucleus.run_phase(first, "startup")
            # The agent takes away what came before. An update begun in the middle of that would be unpacked once more
            # by a nucleus's next try, which is not made here.
            wait_until(lambda: not list(registry.glob(".echo.before-*")), "what came before has been taken away")
            before = _unpacked(nucleus, first)
            broken = "\n".join([*script[:number], "kill -KILL $$", *script[number:], ""])
            update.lifecycle = {**update.lifecycle, "startup": {"Script": broken}}
            process = nucleus.launch(update, "startup")
            process.communicate(timeout=PATIENCE)
            killed += process.returncode == -signal.SIGKILL
            if not (before / "manifest.json").is_file():
                # While versions come and go the agent may just be at taking back the one that it had loaded already.
                wait_until(lambda: _threshold(agent) == 0.6, f"killed before {line!r}: what goes has been replaced")
            assert (registry / "echo" / "manifest.json").is_file(), "and the link leads to a component"
            agent.stub("StopModel", pb2.StopModelRequest(model_component="echo"))
            agent.stub.start("echo")
            assert _threshold(agent) in (0.5, 0.6)
        assert killed > len(script) // 2, "most of its lines were come to"
        update.lifecycle = {**update.lifecycle, "startup": {"Script": "\n".join([*script, ""])}}
        nucleus.run_phase(update, "startup")
        wait_until(lambda: _threshold(agent) == 0.6, "in the end the new version answers")


@pytest.mark.parametrize("seen", [False, True], ids=["before the link is there", "and it comes back"])
def test_what_the_agent_is_just_removing_is_registered_whole(tmp_path: Path, seen: bool) -> None:
    """A version is deployed again while the agent takes it away: at each step of its startup.

    What predecessors.py does is done by the script itself, between two of its lines: the folder gets another name. That
    the agent has looked at the link before it was there, and removes the folder, is one half; the other is that it sees
    the link and gives the folder back, a line later.
    """
    registry = tmp_path / "registry"
    registry.mkdir()
    folder = make_package(tmp_path, "1.0.0", 0.5)
    with running_nucleus("lite") as nucleus:
        component = _deploy(nucleus, folder, registry, local=True)
        unpacked = _unpacked(nucleus, component)
        whole = component.lifecycle["startup"]["Script"].splitlines()
        linked = next(number for number, line in enumerate(whole) if line.strip().startswith("mv -fT"))
        taken = 0
        for number in range(linked + 1, len(whole)) if seen else range(linked + 1):
            line = whole[number].strip()
            if line.split()[0] in ("else", "fi", "done", "esac", "exit") or line.endswith(";;"):
                continue
            script = [*whole]
            go = f'if [ ! -e "{tmp_path}/gone" ]; then touch "{tmp_path}/gone"; mv -T "{unpacked}" "{unpacked}.0"; fi'
            if seen:
                script.insert(number + 1, f'mv -T "{unpacked}.0" "{unpacked}" || true')
            script.insert(number, go)
            (tmp_path / "gone").unlink(missing_ok=True)
            component.lifecycle = {**component.lifecycle, "startup": {"Script": "\n".join([*script, ""])}}
            nucleus.run_phase(component, "startup")
            assert (registry / "echo" / "manifest.json").is_file(), f"taken away before {line!r}"
            assert list(nucleus.work(component).iterdir()) == [unpacked]
            taken += (tmp_path / "gone").exists()
        assert taken > 4, "its lines were come to"


def test_a_startup_goes_on_where_the_agent_removes_the_same(tmp_path: Path) -> None:
    """Rm then says that it could not, as it does here of each folder."""
    registry = tmp_path / "registry"
    registry.mkdir()
    folder = make_package(tmp_path, "1.0.0", 0.5)
    with running_nucleus("lite") as nucleus:
        component = _deploy(nucleus, folder, registry, local=True)
        left = [nucleus.work(component) / name for name in ("0.9.0-0123456789ab", "0.9.0-0123456789ab.1")]
        for path in left:
            path.mkdir()
        whole = component.lifecycle["startup"]["Script"].splitlines()
        linked = next(number for number, line in enumerate(whole) if line.strip().startswith("mv -fT"))
        script = [*whole[: linked + 1], 'rm() ( command rm "$@"; exit 1 )', *whole[linked + 1 :], ""]
        component.lifecycle = {**component.lifecycle, "startup": {"Script": "\n".join(script)}}
        assert "is registered in" in nucleus.run_phase(component, "startup")
        assert not any(path.exists() for path in left)


def _unpacked_versions(nucleus: Nucleus) -> list[str]:
    return sorted(path.name.partition("-")[0] for path in (nucleus.root / "work" / "echo").iterdir())


@pytest.mark.long
@pytest.mark.parametrize("flavour", ["classic", "lite"])
def test_what_came_before_stays_until_its_successor_serves(agent: Daemon, tmp_path: Path, flavour: Flavour) -> None:
    """Whatever else is started meanwhile: a nucleus that comes back, an agent, a version that can't be served."""
    registry = tmp_path / "registry"
    registry.mkdir()
    first, second = make_package(tmp_path, "1.0.0", 0.5), make_package(tmp_path, "2.0.0", 0.6)
    with running_nucleus(flavour) as nucleus:
        _deploy(nucleus, first, registry, local=True)
        update = _deploy(nucleus, second, registry, local=True)
        nucleus.run_phase(update, "startup")
        wait_until(lambda: "echo" in agent.stub.listed(), "the agent knows the model")
        assert _unpacked_versions(nucleus) == ["1.0.0", "2.0.0"], "nobody has started it"
        agent.stub.start("echo")
        wait_until(lambda: _threshold(agent) == 0.6, "what is registered last is served")
        wait_until(lambda: _unpacked_versions(nucleus) == ["2.0.0"], "it serves")
        # And back again: what is registered is never what goes.
        _deploy(nucleus, first, registry, local=True)
        wait_until(lambda: _threshold(agent) == 0.5 and _unpacked_versions(nucleus) == ["1.0.0"], "the first serves")
        assert sorted(path.name for path in registry.iterdir()) == ["echo"]


def _unpacked(nucleus: Nucleus, component: Component) -> Path:
    """Give the folder into which a local deployment was unpacked."""
    (folder,) = nucleus.work(component).glob(f"{component.version}-????????????")
    return folder


def test_a_version_before_can_be_deployed_again(agent: Daemon, tmp_path: Path) -> None:
    """A rollback: the link names the one version that is deployed, whatever else is on the disk."""
    registry = tmp_path / "registry"
    registry.mkdir()
    first, second = make_package(tmp_path, "1.0.0", 0.5), make_package(tmp_path, "2.0.0", 0.6)
    with running_nucleus("lite") as nucleus:
        _deploy(nucleus, second, registry, local=False)
        wait_until(lambda: "echo" in agent.stub.listed(), "the agent knows the model")
        agent.stub.start("echo")
        _deploy(nucleus, first, registry, local=False)
        wait_until(lambda: _threshold(agent) == 0.5, "the version before answers")


def test_a_component_waits_for_the_agents_folder_and_repeats_itself_harmlessly(tmp_path: Path) -> None:
    registry = tmp_path / "registry"
    folder = make_package(tmp_path, "1.0.0", 0.5)
    with running_nucleus("classic") as nucleus:
        registry.mkdir()
        component = _deploy(nucleus, folder, registry, local=True)
        for _ in range(2):
            assert f"echo 1.0.0 is registered in {registry}\n" in nucleus.run_phase(component, "startup")
        assert (registry / "echo" / "manifest.json").is_file()
        assert len(list(registry.iterdir())) == 1


def test_a_damaged_zip_of_a_local_deployment_is_not_unpacked(tmp_path: Path) -> None:
    registry = tmp_path / "registry"
    registry.mkdir()
    folder = make_package(tmp_path, "1.0.0", 0.5)
    (artifact,) = folder.glob("*.zip")
    artifact.write_bytes(artifact.read_bytes() + b"more")
    with running_nucleus("classic") as nucleus, pytest.raises(AssertionError, match="FAILED"):
        _deploy(nucleus, folder, registry, local=True)
    assert not list(registry.iterdir())
