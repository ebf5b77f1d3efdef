"""The agent, a model and the sample client as components on a device without a network: to the verdict."""

from __future__ import annotations

import json
import platform
import subprocess
import sys
import urllib.request
from pathlib import Path
from typing import Any

import psutil
import pytest

from edge_agent.version import __version__
from tests.conftest import Segments
from tests.greengrass.nucleus import running_nucleus
from tests.greengrass.test_model_component import NUCLEUS_WORD, make_package
from tests.support.daemon import PATIENCE, Stub, segment_request, wait_until
from tests.support.fakes import half_bright, picture
from tests.support.ports import free_port

BUILD = Path(__file__).resolve().parents[2] / "greengrass" / "build.py"
NOBODY = 65534

#: the components are built first, of packages that are fetched
pytestmark = pytest.mark.timeout(1200)


def _device_python() -> str:
    """Return the version of the Python that a component finds on this machine."""
    program = "import sys, ensurepip, venv; print('%d.%d' % sys.version_info[:2])"
    try:
        done = subprocess.run(["/usr/bin/python3", "-c", program], capture_output=True, text=True, check=True)
    except (OSError, subprocess.CalledProcessError):
        pytest.skip("/usr/bin/python3 with venv, which components use, is not on this machine")
    version = done.stdout.strip()
    if tuple(map(int, version.split("."))) < (3, 10):
        pytest.skip(f"/usr/bin/python3 is {version}, components need 3.10 or newer")
    return version


@pytest.fixture(scope="module")
def packages(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The components of agent and client for this machine, as greengrass/build.py makes them."""
    return _built(tmp_path_factory.mktemp("packages"), "agent", "client --model echo")


@pytest.fixture(scope="module")
def studio_package(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The component of the studio for this machine."""
    return _built(tmp_path_factory.mktemp("studio"), "studio")


@pytest.fixture(scope="module")
def line_package(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The component of a line for this machine."""
    return _built(tmp_path_factory.mktemp("line"), "line")


def _built(folder: Path, *components: str) -> Path:
    version = _device_python()
    pip = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--dest", str(folder / "probe"), "hpack"]
    if subprocess.run(pip, capture_output=True, check=False).returncode != 0:
        pytest.skip("no package registry can be reached, which building the components needs")
    for what in components:
        command = [sys.executable, str(BUILD), *what.split(), "--arch", platform.machine(), "--python", version]
        done = subprocess.run([*command, "-o", str(folder)], capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
    return folder


@pytest.mark.long  # builds the component of the agent, and installs it
def test_a_client_component_gets_its_models_and_a_verdict(packages: Path, tmp_path: Path, segments: Segments) -> None:
    model = make_package(tmp_path, "1.0.0", 0.5)
    with running_nucleus("lite") as nucleus:
        (nucleus.root / "run").mkdir()
        (nucleus.root / "run").chmod(0o1777)
        socket = f"unix://{nucleus.root / 'run' / 'agent.sock'}"
        settings = {"Socket": socket, "Registry": str(nucleus.root / "lib" / "registry")}
        agent = nucleus.deploy(
            packages / "EdgeAgent" / "0.1.0", local=True, architecture=NUCLEUS_WORD, configuration=settings
        )
        nucleus.deploy(model, local=True, architecture=NUCLEUS_WORD, configuration=settings)
        client = nucleus.deploy(
            packages / "com.lookoutvision.EdgeAgentPythonExample" / "1.0.0",
            local=True, architecture=NUCLEUS_WORD, configuration=settings,
        )  # fmt: skip
        assert client.process is not None
        assert client.process.wait(2 * PATIENCE) == 0, nucleus.log(client)
        assert 'Model Details model_component: "echo"' in nucleus.log(client)
        stub = Stub(socket)
        stub.wait_for("echo", "RUNNING")
        source, mask = segments.make(half_bright()), segments.make(picture(7))
        for handle in (source, mask):  # another user's segments: their owner has to permit it
            segments.path(handle.name).chmod(0o666)
        result = stub("DetectAnomalies", segment_request("echo", 64, 64, source, mask)).detect_anomaly_result
        assert (round(result.anomaly_score, 4), result.is_anomalous) == (0.25, False)
        assert segments.read(mask)[:3] == bytes.fromhex("23A436")
        assert agent.process is not None
        if nucleus.is_privileged:
            assert psutil.Process(agent.process.pid).uids().effective == NOBODY
            assert (nucleus.root / "lib" / "registry").stat().st_uid == NOBODY
        # A nucleus that is started again runs every phase again; what is installed is left alone.
        installed = (nucleus.work(agent) / "current").readlink()
        complete = (nucleus.work(agent) / "current" / "complete").stat().st_mtime_ns
        nucleus.run_phase(agent, "install")
        assert (nucleus.work(agent) / "current").readlink() == installed
        assert (nucleus.work(agent) / "current" / "complete").stat().st_mtime_ns == complete
        stub.channel.close()
        nucleus.remove("EdgeAgent")
        wait_until(lambda: agent.process and agent.process.poll() == 0, "the agent has ended in an orderly way")


@pytest.mark.long  # builds the component of the studio, and installs it
def test_the_studio_component_finds_the_agent_and_its_state(studio_package: Path) -> None:
    with running_nucleus("lite") as nucleus:
        state = nucleus.root / "work" / "EdgeAgent" / "state"
        port = free_port()
        settings = {"Socket": "unix:///nowhere/agent.sock", "Port": str(port)}
        studio = nucleus.deploy(
            studio_package / "EdgeAgentStudio" / __version__, local=True, architecture=NUCLEUS_WORD,
            configuration=settings,
        )  # fmt: skip
        assert studio.process is not None

        def asked(path: str) -> dict[str, Any]:
            try:
                with urllib.request.urlopen(f"http://127.0.0.1:{port}/api{path}", timeout=PATIENCE) as answer:
                    return dict(json.load(answer))
            except OSError:
                return {}

        wait_until(lambda: asked("/device"), "the studio answers")
        assert Path(asked("/device")["folder"]).resolve() == state / "models"
        assert Path(asked("/dashboard")["folder"]).resolve() == state / "records"


@pytest.mark.long  # builds the component of a line, and installs it
def test_a_line_component_is_safe_when_its_processes_were_killed(line_package: Path) -> None:
    with running_nucleus("lite") as nucleus:
        folder = nucleus.root / "run"
        folder.mkdir()
        folder.chmod(0o1777)
        (folder / "in").mkdir()
        (folder / "line.toml").write_text(
            f'name = "flange"\nsocket = "unix:///nowhere/agent.sock"\n[source]\nkind = "folder"\n'
            f'path = "{folder}/in"\n[model]\nname = "echo"\n[[pin]]\non = "reject"\npath = "{folder}/gate"\nsafe = 1\n'
        )
        line = nucleus.deploy(
            line_package / "EdgeAgentLine" / __version__, local=True, architecture=NUCLEUS_WORD,
            configuration={"File": str(folder / "line.toml")},
        )  # fmt: skip
        process = line.process
        assert process is not None
        gate = folder / "gate"
        wait_until(lambda: "can't inspect" in nucleus.log(line), "it misses the agent")
        assert gate.read_text() == "1\n"
        wait_until((nucleus.work(line) / "state" / "lines" / "flange" / "status.json").exists, "its status is written")
        ours = [psutil.Process(process.pid), *psutil.Process(process.pid).children(recursive=True)]
        for one in reversed(ours):
            one.kill()
        psutil.wait_procs(ours[1:], 60)
        gate.write_text("0\n")
        nucleus.run_phase(line, "shutdown")
        assert gate.read_text() == "1\n"
