"""Write the documents that are made from code: the manifest's JSON Schema, the lists of settings and of metrics.

`python docs/generate.py` writes them beside this file (and the protobuf module into the package);
`python docs/generate.py DIR` writes them to DIR, which is how .ci/run notices stale ones.
"""

from __future__ import annotations

import json
import runpy
import sys
from pathlib import Path
from typing import Any, get_args, get_type_hints

import msgspec

from edge_agent.component.manifest import manifest_schema
from edge_agent.line.metrics.table import LINE_METRICS
from edge_agent.serving.observing.histogram import SCORES, SECONDS
from edge_agent.serving.observing.table import METRICS, Metric
from edge_agent.settings import Settings, choices_of

HERE = Path(__file__).resolve().parent

_SETTINGS_HEAD = """\
# Settings

Made from `edge_agent/settings.py` by `make generated`.

Each setting is a flag of `edge-agent serve` (`--queue-size 32`), a variable (`EDGE_AGENT_QUEUE_SIZE=32`) and a key of a
TOML file (`queue_size = 32`). Flags are stronger than variables, variables stronger than the file. The file is the one
named by `--config` or `EDGE_AGENT_CONFIG`, else `/etc/edge-agent/config.toml` if it exists. A key that does not exist
is an error. `EDGE_AGENT_MODEL_DIR` and `EDGE_AGENT_TRUSTED_KEY` take several paths separated by `:`, `EDGE_AGENT_PIN`
several pairs separated by `,`; in the file they are arrays and a table:

    socket = "unix:///run/edge-agent/agent.sock"
    socket_group = "inspection"
    model_dir = ["/var/lib/edge-agent/models", "/opt/models"]

    [pin]
    cookies = "1.0.0"

| key | default | meaning |
|---|---|---|
"""


_METRICS_HEAD = """\
# Metrics

Made from `edge_agent/serving/observing/table.py` and `edge_agent/line/metrics/table.py` by `make generated`.
[operation.md](operation.md) says what to watch.

The setting `metrics` names the address at which Prometheus, or anything that reads its text format or OpenMetrics,
finds them under `/metrics`; without it nothing is counted:

    metrics = "127.0.0.1:9464"                       # a Prometheus on the device
    metrics = "unix:///run/edge-agent/metrics.sock"  # curl --unix-socket … http://localhost/metrics

Nobody is asked who he is: an address that other devices reach is one that they may read. A Unix socket has the mode and
group of the agent's own. The systemd unit allows no TCP; `packaging/systemd/metrics.conf` is the drop-in that does.

Names of models are those that are on the device, of each the last three versions; whatever else clients send is counted
under an empty label. A version's figures go on when it comes back. All begin at zero when the agent starts; Prometheus'
`rate` and `increase` know that.

`packaging/prometheus/` has alert rules and a piece of Prometheus' configuration, `packaging/grafana/edge-agent.json` a
dashboard: import it in Grafana and choose the data source.

The last column says which metric of the cloud service (namespace AWS/LookoutVision) it answers for. Its dimensions
ProjectName and ModelVersion are the labels `model` and `version`.

| name | type | unit | labels | meaning | in CloudWatch |
|---|---|---|---|---|---|
"""


def _row(metric: Metric) -> str:
    name = metric.name + "_total" * (metric.kind == "counter")
    labels = ", ".join(f"`{label}`" for label in metric.labels)
    return f"| `{name}` | {metric.kind} | {metric.unit} | {labels} | {metric.help} |"


def _metrics_page() -> str:
    rows = [f"{_row(metric)} {metric.cloudwatch} |" for metric in METRICS.values()]
    of_lines = [_row(metric) for metric in LINE_METRICS.values()]
    seconds, scores = (", ".join(f"{bound:g}" for bound in bounds) for bounds in (SECONDS, SCORES))
    return f"""{_METRICS_HEAD}{chr(10).join(rows)}

Histograms of seconds end at {seconds} and infinity, the one of scores at {scores}.
The front's own process is told of by the usual `process_*`: memory, processor time, file descriptors, start.

Questions that CloudWatch answered, for PromQL:

| | |
|---|---|
| pictures in a day | `sum by (model) (increase(edge_agent_pictures_total[1d]))` |
| share of anomalous ones | `rate(edge_agent_anomalies_total[1h]) / rate(edge_agent_pictures_total[1h])` |
| mean time of a call, as `Time` | `rate(edge_agent_call_seconds_sum[5m]) / rate(edge_agent_call_seconds_count[5m])` |
| errors | `sum by (code) (increase(edge_agent_calls_total{{code!="OK"}}[1h]))` |
| throttled | `increase(edge_agent_calls_total{{code="RESOURCE_EXHAUSTED"}}[1h])` |

## Lines

A [line](line.md) is a program of its own and has its own address, the key `metrics` of its file:
`metrics = "127.0.0.1:9465"`. All begin at zero when the line is started, not when its inspecting process is started
again.

| name | type | unit | labels | meaning |
|---|---|---|---|---|
{chr(10).join(of_lines)}

| | |
|---|---|
| rejects of an hour | `increase(edge_agent_line_parts_total{{outcome="reject"}}[1h])` |
| slowest of a hundred | `histogram_quantile(0.99, rate(edge_agent_line_cycle_seconds_bucket[5m]))` |
"""


def _settings_page() -> str:
    hints = get_type_hints(Settings, include_extras=True)
    defaults: dict[str, Any] = msgspec.to_builtins(Settings())
    defaults["state_dir"] = "`$STATE_DIRECTORY`, or `/var/lib/edge-agent` for root, or `~/.local/state/edge-agent`"
    rows = []
    for field in Settings.__struct_fields__:
        default = defaults[field]
        shown = default if field == "state_dir" else "none" if default in ([], {}, "", None) else f"`{default}`"
        choices = f" ({', '.join(f'`{word}`' for word in choices_of(field))})" if choices_of(field) else ""
        rows.append(f"| `{field}` | {shown} | {get_args(hints[field])[1].description}{choices} |")
    return _SETTINGS_HEAD + "\n".join(rows) + "\n"


def main() -> None:
    target = Path(sys.argv[1]) if len(sys.argv) > 1 else HERE
    target.mkdir(parents=True, exist_ok=True)
    (target / "manifest.schema.json").write_text(json.dumps(manifest_schema(), indent=2) + "\n")
    (target / "settings.md").write_text(_settings_page())
    (target / "metrics.md").write_text(_metrics_page())
    if target == HERE:
        sys.argv = sys.argv[:1]
        runpy.run_path(str(HERE.parent / "proto" / "build_hook.py"), run_name="__main__")


if __name__ == "__main__":
    main()
