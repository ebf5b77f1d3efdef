"""Write the documents that are made from code: the manifest's JSON Schema, and the list of settings.

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
from edge_agent.settings import Settings

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


def _settings_page() -> str:
    hints = get_type_hints(Settings, include_extras=True)
    defaults: dict[str, Any] = msgspec.to_builtins(Settings())
    defaults["state_dir"] = "`$STATE_DIRECTORY`, or `/var/lib/edge-agent` for root, or `~/.local/state/edge-agent`"
    rows = []
    for field in Settings.__struct_fields__:
        default = defaults[field]
        shown = default if field == "state_dir" else "none" if default in ([], {}, "", None) else f"`{default}`"
        rows.append(f"| `{field}` | {shown} | {get_args(hints[field])[1].description} |")
    return _SETTINGS_HEAD + "\n".join(rows) + "\n"


def main() -> None:
    target = Path(sys.argv[1]) if len(sys.argv) > 1 else HERE
    target.mkdir(parents=True, exist_ok=True)
    (target / "manifest.schema.json").write_text(json.dumps(manifest_schema(), indent=2) + "\n")
    (target / "settings.md").write_text(_settings_page())
    if target == HERE:
        sys.argv = sys.argv[:1]
        runpy.run_path(str(HERE.parent / "proto" / "build_hook.py"), run_name="__main__")


if __name__ == "__main__":
    main()
