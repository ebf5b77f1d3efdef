"""Generate edge_agent/serving/rpc/edge_agent_pb2.py from edge-agent.proto whenever the package is built or installed.

Hatchling runs this file (see pyproject.toml); `python proto/build_hook.py DIR` writes the same files to DIR, which is
how .ci/run notices a stale copy.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

from grpc_tools import protoc
from hatchling.builders.hooks.plugin.interface import BuildHookInterface

PROTO_DIR = Path(__file__).resolve().parent
TARGET_DIR = PROTO_DIR.parent / "edge_agent" / "serving" / "rpc"


def generate(target: Path) -> None:
    """Write edge_agent_pb2.py and its type stub into `target`.

    The proto is named by its bare file name: that name is part of the descriptor that clients share with us.
    """
    target.mkdir(parents=True, exist_ok=True)
    status = protoc.main(
        ["protoc", f"--proto_path={PROTO_DIR}", f"--python_out={target}", f"--pyi_out={target}", "edge-agent.proto"]
    )
    if status != 0:
        raise SystemExit(f"protoc failed on {PROTO_DIR / 'edge-agent.proto'} with status {status}")


class ContractBuildHook(BuildHookInterface):  # type: ignore[type-arg]
    """Hatchling's entry point."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        generate(TARGET_DIR)
        build_data["artifacts"] += [f"edge_agent/serving/rpc/edge_agent_pb2.{ending}" for ending in ("py", "pyi")]


if __name__ == "__main__":
    generate(Path(sys.argv[1]) if len(sys.argv) > 1 else TARGET_DIR)
