"""Real Prometheus and promtool, from Debian, with the rules and the dashboard that we give."""

from __future__ import annotations

import functools
import json
import shutil
import subprocess
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest

from tests.support.daemon import PATIENCE, Daemon, bytes_request, running_daemon, wait_until
from tests.support.fakes import picture, write_echo

PACKAGING = Path(__file__).resolve().parents[3] / "packaging"

pytestmark = [
    pytest.mark.long,
    pytest.mark.skipif(shutil.which("prometheus") is None, reason="needs Prometheus (apt install prometheus)"),
]


def _promtool(*arguments: str, cwd: Path, given: str = "") -> str:
    ended = subprocess.run(
        ["promtool", *arguments], cwd=cwd, input=given, capture_output=True, text=True, check=False, timeout=PATIENCE
    )
    assert ended.returncode == 0, ended.stdout + ended.stderr
    return ended.stdout + ended.stderr


def test_the_rules_are_right_and_tell_what_they_should() -> None:
    _promtool("check", "rules", "edge-agent.rules.yml", cwd=PACKAGING / "prometheus")
    _promtool("test", "rules", "edge-agent.rules.test.yml", cwd=PACKAGING / "prometheus")
    _promtool("check", "config", "--syntax-only", "prometheus.yml", cwd=PACKAGING / "prometheus")


def _port(pid: int) -> int:
    listening = [found for found in psutil.Process(pid).net_connections("tcp") if found.status == psutil.CONN_LISTEN]
    return int(listening[0].laddr.port) if listening else 0


Query = Callable[[str], list[dict[str, Any]]]


@pytest.fixture
def daemon(tmp_path: Path) -> Iterator[Daemon]:
    write_echo(tmp_path / "models", "echo")
    flags = ("--metrics", "127.0.0.1:0", "--first-restart", "0.1")
    with running_daemon(tmp_path, *flags) as running:
        running.stub.start("echo")
        yield running


@pytest.fixture
def query(daemon: Daemon, tmp_path: Path) -> Iterator[Query]:
    """A Prometheus that scrapes the daemon every second; gives what asks it."""
    serves = wait_until(lambda: _port(daemon.process.pid), "the daemon serves its metrics")
    rules = (PACKAGING / "prometheus" / "edge-agent.rules.yml").read_text()
    (tmp_path / "edge-agent.rules.yml").write_text(rules)
    config = tmp_path / "prometheus.yml"
    config.write_text(
        "global: {scrape_interval: 1s, scrape_timeout: 1s, evaluation_interval: 500ms}\n"
        "rule_files: [edge-agent.rules.yml]\n"
        "scrape_configs: [{job_name: edge-agent, static_configs: "
        f"[{{targets: ['127.0.0.1:{serves}']}}]}}]\n"
    )
    command = ["prometheus", f"--config.file={config}", f"--storage.tsdb.path={tmp_path / 'data'}"]
    with (tmp_path / "prometheus.log").open("w") as log:
        server = subprocess.Popen(
            [*command, "--web.listen-address=127.0.0.1:0", "--log.level=warn"], stderr=log, stdout=log
        )
    try:
        port = wait_until(lambda: _port(server.pid), "Prometheus listens")

        def ask(expression: str) -> list[dict[str, Any]]:
            address = f"http://127.0.0.1:{port}/api/v1/query?" + urllib.parse.urlencode({"query": expression})
            try:
                with urllib.request.urlopen(address, timeout=PATIENCE) as answer:
                    found: list[dict[str, Any]] = json.loads(answer.read())["data"]["result"]
            except urllib.error.HTTPError as error:
                if error.code == 503:  # not ready yet
                    return []
                raise AssertionError(f"{expression}: {error.read().decode()}") from None
            return found

        yield ask
    finally:
        server.terminate()
        server.wait(PATIENCE)


def test_it_scrapes_and_tells_of_a_killed_worker(daemon: Daemon, query: Query) -> None:
    wait_until(lambda: _value(query, 'up{job="edge-agent"}') == 1, "the daemon is scraped")
    for number in range(10):
        daemon.stub("DetectAnomalies", bytes_request("echo", picture(number * 25)))
    wait_until(lambda: _value(query, 'edge_agent_pictures_total{model="echo"}') == 10, "the pictures are counted")
    assert query('histogram_quantile(0.99, edge_agent_call_seconds_bucket{model="echo"})')
    daemon.workers("echo")[0].kill()
    restarts = 'edge_agent_restarts_total{model="echo", cause="SIGKILL"}'
    wait_until(lambda: _value(query, restarts) == 1, "the restart is seen")
    daemon.stub.wait_for("echo", "RUNNING")
    wait_until(lambda: _value(query, 'edge_agent_model_running{model="echo"}') == 1, "it is back")
    # A counter has to be seen before it grows, for `increase` to know; the second death is the alert's.
    daemon.workers("echo")[0].kill()
    alert = 'ALERTS{alertname="EdgeAgentModelRestarts", alertstate="firing", model="echo"}'
    wait_until(lambda: _value(query, alert) == 1, "the alert fires")


def _value(query: Query, expression: str) -> float | None:
    found = query(expression)
    return float(found[0]["value"][1]) if found else None


def test_every_panel_of_the_dashboard_asks_what_there_is(daemon: Daemon, query: Query) -> None:
    wait_until(lambda: _value(query, 'up{job="edge-agent"}') == 1, "the daemon is scraped")
    for number in range(10):
        daemon.stub("DetectAnomalies", bytes_request("echo", picture(number * 25)))
    daemon.stub.refusal("DetectAnomalies", bytes_request("echo", picture(1, 32, 32)))
    daemon.workers("echo")[0].kill()
    wait_until(lambda: query("edge_agent_restarts_total"), "the restart is seen")
    dashboard = json.loads((PACKAGING / "grafana" / "edge-agent.json").read_text())
    asked = 0
    for panel in dashboard["panels"]:
        for target in panel.get("targets", []):
            asked += 1
            expression = target["expr"]
            for variable, value in (("$instance", ".*"), ("$model", ".*"), ("$__rate_interval", "1m")):
                expression = expression.replace(variable, value)
            if "gpu" in expression:
                query(expression)  # there may be none
            else:
                wait_until(functools.partial(query, expression), f"{panel['title']} shows something")
    assert asked > 20
