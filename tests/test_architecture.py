"""What may import what, as docs/architecture.md says, and what the package offers."""

from __future__ import annotations

import ast
import functools
import subprocess
import sys
from pathlib import Path

import pytest

import edge_agent

PACKAGE = Path(edge_agent.__file__).parent

# From the top down, as the table of docs/architecture.md: a module may import from its own wing and from those of the
# rows below. Of its own row a wing knows only what KNOWN says.
ROWS = [
    {"cli", "__main__"},
    {"device", "studio"},
    {"line"},
    {"client", "delivery"},
    {"building", "serving"},
    {"records"},
    {"inference"},
    {"hardware"},
    {"component"},
    {"settings"},
    {"access"},
    {"errors", "logs", "shortage", "version", "wire", "children"},
]
#: (wing, wing of its own row that it may import)
KNOWN: set[tuple[str, str]] = set()
# Inside a wing, its folders from the top down in the same way; a module that lies beside them has a place of its own.
INSIDE = {
    "building": [{"demo"}, {"training", "importing"}, {"evaluation"}, {"datasets"}, {"requirements", "counting"}],
    "serving": [
        {"rpc"},
        {"http2"},
        {"agent"},
        {"contract"},
        {"lifecycle", "shadowing"},
        {"catalogue", "workers"},
        {"observing"},
        {"auditing"},
    ],
    "device": [{"support"}, {"bench", "doctor"}],
}
# Plain data without numpy, part of the vocabulary of every wing.
DATA = {"edge_agent.inference.imaging.bitmap", "edge_agent.inference.verdict"}


@functools.cache
def _imports(path: Path) -> set[str]:
    found: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ImportFrom) and node.module and node.module.startswith("edge_agent."):
            found.add(node.module)
    return found


def _row(rows: list[set[str]], name: str) -> int:
    return next(number for number, names in enumerate(rows) if name in names)


def _may_import(module: str, imported: str) -> bool:
    """Say whether a module may import another, both as `edge_agent.WING…`."""
    (wing, *inside), (other, *others) = module.split(".")[1:], imported.split(".")[1:]
    if wing == "__main__":
        return other == "cli"
    if wing != other:
        return _row(ROWS, wing) < _row(ROWS, other) or (wing, other) in KNOWN
    if wing not in INSIDE or not inside or not others:
        return True
    return _row(INSIDE[wing], others[0]) >= _row(INSIDE[wing], inside[0])


def _modules() -> list[Path]:
    return [path for path in sorted(PACKAGE.rglob("*.py")) if path.parent != PACKAGE or path.stem != "__init__"]


def _parts(folder: Path) -> set[str]:
    return {path.relative_to(folder).parts[0].removesuffix(".py") for path in folder.rglob("*.py")} - {"__init__"}


def test_every_part_of_the_package_has_a_place() -> None:
    assert _parts(PACKAGE) == set().union(*ROWS)
    for wing, rows in INSIDE.items():
        inside = {
            path.relative_to(PACKAGE / wing).parts[0].removesuffix(".py") for path in (PACKAGE / wing).rglob("*.py")
        }
        assert inside - {"__init__"} == set().union(*rows)


def test_building_and_serving_know_nothing_of_each_other() -> None:
    for wing, other in (("building", "serving"), ("serving", "building")):
        modules = sorted((PACKAGE / wing).rglob("*.py"))
        assert len(modules) > 20
        for path in modules:
            assert not [name for name in _imports(path) if name.split(".")[1] == other], path


def test_http2_knows_nothing_but_who_is_at_the_other_end() -> None:
    """Neither gRPC nor the agent: it gives streams to whoever takes them."""
    modules = sorted((PACKAGE / "serving" / "http2").glob("*.py"))
    assert len(modules) > 8
    for path in modules:
        access = ("edge_agent.access.peer", "edge_agent.access.names")
        known = ("edge_agent.serving.http2.", *access, "edge_agent.shortage")
        assert all(name.startswith(known) for name in _imports(path)), path


@pytest.mark.parametrize("path", _modules(), ids=lambda path: str(path.relative_to(PACKAGE)))
def test_imports_run_one_way(path: Path) -> None:
    module = ".".join(("edge_agent", *path.relative_to(PACKAGE).with_suffix("").parts)).removesuffix(".__init__")
    for imported in _imports(path) - DATA:
        assert _may_import(module, imported), f"{module} imports {imported}, which stands above it or beside it"


@functools.cache
def _loaded_with(module: str) -> set[str]:
    """Give all that a process has loaded when it has imported a module."""
    program = f"import sys, {module}; print(*sys.modules)"
    return set(
        subprocess.run([sys.executable, "-c", program], check=True, stdout=subprocess.PIPE, text=True).stdout.split()
    )


@pytest.mark.parametrize(
    ("module", "absent"),
    [
        ("edge_agent.serving.workers.inspector", "grpc"),
        ("edge_agent.serving.workers.process", "grpc"),
        ("edge_agent.serving.rpc.server", "grpc"),
        ("edge_agent.serving.rpc.server", "numpy"),
        ("edge_agent.serving.rpc.server", "cv2"),
        ("edge_agent.serving.rpc.server", "onnxruntime"),
        ("edge_agent.serving.rpc.server", "PIL"),
        ("edge_agent.serving.rpc.server", "edge_agent.building.datasets"),
        ("edge_agent.serving.rpc.server", "prometheus_client"),
        ("edge_agent.serving.rpc.server", "opentelemetry"),
        ("edge_agent.serving.workers.process", "prometheus_client"),
        ("edge_agent.serving.workers.process", "edge_agent.building.datasets"),
        ("edge_agent.serving.workers.process", "edge_agent.building.evaluation"),
        ("edge_agent.building.training.trainer", "sklearn"),
        ("edge_agent.serving.workers.process", "onnx"),
        ("edge_agent.serving.workers.process", "cryptography"),
        ("edge_agent.serving.rpc.server", "cryptography"),
    ],
)
def test_no_grpc_in_a_worker_and_no_pixels_in_the_front(module: str, absent: str) -> None:
    assert module in _loaded_with(module)
    assert absent not in _loaded_with(module)


def test_the_package_offers_few_names() -> None:
    assert edge_agent.__all__ == [
        "AgentUnreachable", "Area", "CallFailed", "Client", "Decision", "Detection", "EdgeAgentError", "ModelInfo",
        "Rule", "__version__", "decide", "draw",
    ]  # fmt: skip
    assert all(getattr(edge_agent, name) for name in edge_agent.__all__)
    with pytest.raises(AttributeError, match="no attribute 'Nothing'"):
        _ = edge_agent.Nothing
