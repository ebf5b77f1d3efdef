"""Random lives of two models on one daemon, step by step as the reference says; HYPOTHESIS_PROFILE=long for more."""

from __future__ import annotations

import contextlib
import functools
import itertools
import json
import shutil
import signal
from pathlib import Path
from typing import Any

import grpc
import psutil
import pytest
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, rule, run_state_machine_as_test

from edge_agent.component.writing import write_component
from edge_agent.serving.rpc import edge_agent_pb2 as pb2
from tests.serving.lifecycle.reference import Kind, Published, Reference
from tests.support.daemon import PATIENCE, Daemon, bytes_request, running_daemon, wait_until
from tests.support.fakes import echo_fields, echo_graph, picture
from tests.support.properties import LONG, examples

_LIVES = itertools.count()
_names = st.sampled_from(["a", "b"])
_versions = st.sampled_from(["1.0.0", "2.0.0", "3.0.0"])
_kinds: st.SearchStrategy[Kind] = st.sampled_from(["good", "good", "good", "unloadable", "damaged"])
_RACING = ("StartModel", "StopModel", "DetectAnomalies", "kill", "publish")
_CODES = {"OK", "NOT_FOUND", "FAILED_PRECONDITION", "INTERNAL"}


@functools.cache
def _graph(kind: str) -> bytes:
    graph = echo_graph(64, 64, segmentation=False)
    return graph.replace(b"ReduceMean", b"ReduceNone") if kind == "unloadable" else graph  # an operator that is not


class Life(RuleBasedStateMachine):
    """Two models of this life's own on a daemon that all lives share."""

    def __init__(self, daemon: Daemon) -> None:
        super().__init__()
        self.daemon, self.life = daemon, next(_LIVES)
        self.models = {name: Reference() for name in ("a", "b")}
        self.marks = itertools.count(1)
        self.aside = daemon.folder / f"aside-{self.life}"
        self.aside.mkdir()

    def teardown(self) -> None:
        for name in self.models:
            shutil.rmtree(self._folder(name), ignore_errors=True)
            self._say("StopModel", name)
        wait_until(lambda: not self.daemon.stub.listed() and not self.daemon.workers(), "this life's models are gone")

    # The device

    def _component(self, name: str) -> str:
        return f"{name}-{self.life}"

    def _folder(self, name: str) -> Path:
        return self.daemon.models / self._component(name)

    @rule(name=_names, version=_versions, kind=_kinds)
    def publish(self, name: str, version: str, kind: Kind) -> None:
        """Put a version there, or another in its place, whole from the first moment."""
        self._publish(name, version, kind)
        self._settle()

    def _publish(self, name: str, version: str, kind: Kind) -> None:
        mark = round(0.3 + next(self.marks) / 1000, 4)
        fields = echo_fields(self._component(name), 64, 64, segmentation=False)
        written = write_component(
            self.aside, {"model.onnx": _graph(kind)}, **{**fields, "version": version, "threshold": mark}
        )
        if kind == "damaged":
            (written / "model.onnx").write_bytes(b"damaged")
        self._remove(name, version)
        target = self._folder(name) / version
        target.parent.mkdir(exist_ok=True)
        written.rename(target)
        self.models[name].disk[version] = Published(version, mark, kind)

    @rule(name=_names, version=_versions)
    def damage(self, name: str, version: str) -> None:
        """Let a file of a version rot."""
        found = self.models[name].disk.get(version)
        if found is not None:
            (self._folder(name) / version / "model.onnx").write_bytes(b"rotten")
            self.models[name].disk[version] = found._replace(kind="damaged")
            self._settle()

    @rule(name=_names, version=_versions)
    def remove_a_version(self, name: str, version: str) -> None:
        self._remove(name, version)
        self._settle()

    @rule(name=_names)
    def remove(self, name: str) -> None:
        for version in list(self.models[name].disk):
            self._remove(name, version)
        self._settle()

    def _remove(self, name: str, version: str) -> None:
        if self.models[name].disk.pop(version, None) is not None:
            (self._folder(name) / version).rename(self.aside / f"removed-{next(self.marks)}")

    # Clients

    def _request(self, call: str, name: str) -> Any:
        if call == "DetectAnomalies":
            return bytes_request(self._component(name), picture(51))
        return getattr(pb2, f"{call}Request")(model_component=self._component(name))

    def _say(self, call: str, name: str) -> tuple[str, Any]:
        """Make a call; the code, and the answer or the details."""
        try:
            return "OK", self.daemon.stub(call, self._request(call, name))
        except grpc.RpcError as error:
            return error.code().name, error.details()

    def _later(self, call: str, name: str) -> Any:
        return self.daemon.stub.later(call, self._request(call, name))

    @rule(name=_names)
    def start(self, name: str) -> None:
        code, answer = self._say("StartModel", name)
        assert code in self.models[name].start(), answer
        if code == "OK":
            assert answer.status == pb2.STARTING
        self._settle()

    @rule(name=_names)
    def stop(self, name: str) -> None:
        model = self.models[name]
        is_retried = "STARTING" in model.statuses
        allowed = model.stop()
        code, answer = self._say("StopModel", name)
        assert code in allowed, answer
        if is_retried:  # while it is being tried it is not FAILED, and can't be given up
            wait_until(
                lambda: "will not be started again" in answer or self._gives_up(name), "it is not tried any more"
            )
        self._settle()

    def _gives_up(self, name: str) -> bool:
        return "will not be started again" in self._say("StopModel", name)[1]

    @rule(name=_names)
    def detect(self, name: str) -> None:
        code, answer = self._say("DetectAnomalies", name)
        assert code in self.models[name].detect(), answer

    @rule(names=st.lists(_names, min_size=5, max_size=20))
    def detect_many(self, names: list[str]) -> None:
        calls = [(name, self._later("DetectAnomalies", name)) for name in names]
        for name, call in calls:
            assert call.code().name in self.models[name].detect()

    # Misfortunes

    @rule(name=_names)
    def kill(self, name: str) -> None:
        """Kill its worker; until that is noticed, calls may still be answered, or be lost with it."""
        self._kill(name)
        assert self._say("DetectAnomalies", name)[0] in _CODES
        self._settle()

    def _kill(self, name: str) -> None:
        for worker in self.daemon.workers(self._component(name)):
            worker.kill()
        self.models[name].die()

    @rule(how=st.sampled_from([signal.SIGTERM, signal.SIGKILL]))
    def restart(self, how: signal.Signals) -> None:
        """Restart the daemon: what was wanted comes back."""
        workers = self.daemon.workers()
        self.daemon.process.send_signal(how)
        assert self.daemon.process.wait(PATIENCE) == (0 if how is signal.SIGTERM else -how)
        psutil.wait_procs(workers, PATIENCE)
        self.daemon.restart()
        for model in self.models.values():
            model.die()
            model.failed = False
        self._settle()

    @rule(
        name=_names,
        steps=st.lists(st.sampled_from(_RACING), min_size=2, max_size=6),
        version=_versions,
        kind=_kinds,
    )
    def race(self, name: str, steps: list[str], version: str, kind: Kind) -> None:
        """Do several things without waiting: any order is right, but each call ends, and with one of the codes."""
        model = self.models[name]
        may_be_served = (None, model.served, model.chosen)
        calls = []
        for step in steps:
            if step == "kill":
                self._kill(name)
            elif step == "publish":
                self._publish(name, version, kind)
            else:
                calls.append(self._later(step, name))
        assert {call.code().name for call in calls} <= _CODES
        # Which came first is not ours to say; what clients want since then is what is remembered.
        model.wanted = self._component(name) in self._remembered()
        self._resume(name, may_be_served)

    def _remembered(self) -> set[str]:
        path = self.daemon.folder / "state" / "running.json"
        return set(json.loads(path.read_text())) if path.exists() else set()

    def _resume(self, name: str, may_be_served: tuple[Published | None, ...]) -> None:
        """Wait until a model has settled after a race, in one of the ways in which it may."""
        model = self.models[name]
        ways = []
        for served, failed in itertools.product(may_be_served, (False, True)):
            is_possible = model.wanted and served is not None and served.kind == "good"
            way = Reference(dict(model.disk), model.wanted, served if is_possible else None, failed)
            way.settle()
            ways.append(way)
        self.models[name] = wait_until(
            lambda: next((way for way in ways if self._is_as(name, way, at_rest=True)), None),
            f"{name} has settled after a race, in one of {ways}: {self._say('DescribeModel', name)}",
        )
        self._settle()

    # What must be true

    def _settle(self) -> None:
        """Wait until both models are as the reference says, and stay so; then look at everything."""
        for name, model in self.models.items():
            model.settle()
            wait_until(
                functools.partial(self._is_as, name, model), f"{name} is {model}: {self._say('DescribeModel', name)}"
            )
        running = {self._component(name) for name, model in self.models.items() if model.served}
        retried = {self._component(name) for name, model in self.models.items() if "STARTING" in model.statuses}
        wait_until(lambda: self._workers() - retried == running, f"the workers are those of {running}")
        ours = {self._component(name) for name in self.models}
        wanted = {self._component(name) for name, model in self.models.items() if model.wanted}
        wait_until(lambda: self._remembered() & ours == wanted, f"{wanted} are remembered")

    def _is_as(self, name: str, model: Reference, *, at_rest: bool = False) -> bool:
        """Tell whether a model is as a reference; `at_rest`, it must not be about to become another's."""
        code, answer = self._say("DescribeModel", name)
        if not model.statuses:
            return code == "NOT_FOUND"
        allowed = model.statuses - ({"STARTING"} if at_rest else set())
        if code != "OK" or pb2.ModelStatus.Name(answer.model_description.status) not in allowed:
            return False
        if model.served is None:
            return True
        code, answer = self._say("DetectAnomalies", name)
        if code != "OK":
            return False
        result = answer.detect_anomaly_result
        assert result.anomaly_score == pytest.approx(0.2, abs=1e-5)
        return bool(round(result.anomaly_threshold, 4) == model.served.mark)

    def _workers(self) -> set[str]:
        """Models that have a worker; one has no more than one."""
        found: list[str] = []
        for process in self.daemon.workers():
            with contextlib.suppress(psutil.Error):
                line = process.cmdline()
                found.append(line[line.index("edge_agent.serving.workers.process") + 1])
        return set(found) if len(set(found)) == len(found) else {"two workers of one model"}


@pytest.mark.long
def test_any_life_is_as_the_reference_says(tmp_path: Path) -> None:
    flags = ("--first-restart", "0.05", "--longest-restart", "0.2")
    with running_daemon(tmp_path, *flags) as daemon:
        make: Any = functools.partial(Life, daemon)
        run_state_machine_as_test(make, settings=examples(3, steps=60 if LONG else 15))
        log = daemon.log.read_text()
    assert "Traceback" not in log
    assert "defect" not in log
