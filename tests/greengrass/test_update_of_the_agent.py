"""An update of the agent that is killed at each of its steps: there is always an agent that starts its models."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from edge_agent.client.client import Client
from edge_agent.serving.rpc import edge_agent_pb2 as pb2
from tests.greengrass.nucleus import Component, Nucleus, running_nucleus
from tests.greengrass.test_agent_component import packages
from tests.greengrass.test_model_component import NUCLEUS_WORD, make_package
from tests.support.daemon import PATIENCE, Stub, bytes_request, wait_until
from tests.support.fakes import picture

__all__ = ["packages"]
pytestmark = [pytest.mark.long, pytest.mark.timeout(1200)]


def _next_version(folder: Path, target: Path) -> Path:
    """Make another version of the agent's component: the same wheels, as if they were others."""
    target.mkdir()
    recipe = yaml.safe_load((folder / f"EdgeAgent-{folder.name}.yaml").read_text().replace(f"-{folder.name}", "-9.9.9"))
    recipe["ComponentVersion"] = "9.9.9"
    (target / "EdgeAgent-9.9.9.yaml").write_text(yaml.safe_dump(recipe))
    for path in folder.glob("*.zip"):
        with zipfile.ZipFile(path) as old, zipfile.ZipFile(target / path.name, "w") as new:
            for name in old.namelist():
                new.writestr(name, "f" * 64 if name == "wheels/sha256.txt" else old.read(name))
    return target


class Device:
    """A core device with an agent that serves a model, and an update of it."""

    def __init__(self, nucleus: Nucleus, agent: Path, update: Path, model: Path) -> None:
        self.nucleus, self.folder, self.update = nucleus, agent, update
        (nucleus.root / "run").mkdir()
        (nucleus.root / "run").chmod(0o1777)
        self.socket = f"unix://{nucleus.root / 'run' / 'agent.sock'}"
        self.settings = {"Socket": self.socket, "Registry": str(nucleus.root / "lib" / "registry")}
        self.agent = self.deploy(agent)
        self.deploy(model)
        self.connect()
        wait_until(self._listed, "the agent lists the model")
        self.stub.start("echo")

    def connect(self) -> None:
        Client(self.socket, wait=4 * PATIENCE).close()
        self.stub = Stub(self.socket)

    def deploy(self, folder: Path) -> Component:
        return self.nucleus.deploy(folder, local=True, architecture=NUCLEUS_WORD, configuration=self.settings)

    def place_update(self) -> Component:
        return self.nucleus.place(self.update, local=True, architecture=NUCLEUS_WORD, configuration=self.settings)

    def _listed(self) -> bool:
        return "echo" in self.stub.listed()

    def starts_its_model(self) -> bool:
        """Stop the model and start it, which takes a worker from the environment that the agent runs from."""
        self.stub("StopModel", pb2.StopModelRequest(model_component="echo"))
        self.stub.start("echo")
        answer = self.stub("DetectAnomalies", bytes_request("echo", picture(51))).detect_anomaly_result
        return bool(round(answer.anomaly_score, 4) == 0.2)

    def environments(self) -> list[str]:
        return sorted(path.name for path in self.nucleus.work(self.agent).glob("python3.*"))


@pytest.fixture(scope="module")
def device(packages: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Device]:
    folder = tmp_path_factory.mktemp("update")
    agent = packages / "EdgeAgent" / "0.1.0"
    with running_nucleus("lite") as nucleus:
        yield Device(nucleus, agent, _next_version(agent, folder / "next"), make_package(folder, "1.0.0", 0.5))


def _kill_install_when(device: Device, update: Component, *patterns: str) -> None:
    """Begin with the installation, and kill it as soon as one of the files is there."""
    work = device.nucleus.work(update)
    process = device.nucleus.launch(update, "install")
    wait_until(lambda: any(list(work.glob(pattern)) for pattern in patterns) or process.poll() is not None, "the step")
    if process.poll() is None:
        os.killpg(process.pid, signal.SIGKILL)
    process.communicate()


@pytest.mark.parametrize(
    "step",
    [
        ("unpacked-9.9.9.new", "unpacked-9.9.9"),
        ("python3.*-ffffffffffff/pyvenv.cfg",),
        ("python3.*-ffffffffffff/lib/python3*/site-packages/numpy",),
        ("python3.*-ffffffffffff/complete",),
    ],
    ids=["unpacking", "environment", "wheels", "installed"],
)
def test_killed_while_it_is_installed(device: Device, step: tuple[str, ...]) -> None:
    """And a neighbour's installation that fails afterwards: the agent that runs is the old one."""
    _kill_install_when(device, device.place_update(), *step)
    assert device.starts_its_model()


def test_killed_while_it_takes_over_and_given_up(device: Device) -> None:
    """Its process has begun and dies: the deployment is rolled back to the agent before it."""
    update = device.place_update()
    device.nucleus.run_phase(update, "install")
    device.nucleus.take_over(update)
    device.nucleus.kill(update)
    device.stub.channel.close()
    device.deploy(device.folder)
    device.connect()
    device.stub.wait_for("echo", "RUNNING")
    assert device.starts_its_model()


def test_installed_and_given_up_then_taken_over(device: Device) -> None:
    before = device.environments()
    update = device.place_update()
    device.nucleus.run_phase(update, "install")
    assert device.starts_its_model(), "the old agent goes on, although another is installed"
    work = device.nucleus.work(update)
    assert len(device.environments()) == 2, before
    assert not list(work.glob("unpacked-*/wheels/*.whl")), "what is installed does not lie there twice"
    if device.nucleus.is_privileged:
        assert {path.stat().st_uid for path in work.glob("python3.*")} == {work.stat().st_uid}
    # The environment is lost, and with it what was unpacked: the zip still has it.
    shutil.rmtree(next(work.glob("python3.*-ffffffffffff")))
    device.nucleus.run_phase(update, "install")
    device.nucleus.take_over(update)
    device.stub.channel.close()
    device.connect()
    # It answers, its model is on the way, and the power fails: the device comes up with it.
    device.nucleus.kill(update)
    device.stub.channel.close()
    device.nucleus.run_phase(update, "install")
    device.nucleus.take_over(update)
    device.connect()
    device.stub.wait_for("echo", "RUNNING")
    wait_until(lambda: len(device.environments()) == 1, "the successor has removed what came before it")
    assert device.environments()[0].endswith("-ffffffffffff")
    assert device.starts_its_model()

    def children() -> str:
        command = ["ps", "-o", "args=", "--ppid", str(update.process.pid if update.process else 0)]
        return subprocess.run(command, capture_output=True, text=True, check=False).stdout

    wait_until(lambda: "predecessors.py" not in children(), "what removed them has ended")
