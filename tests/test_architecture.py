"""What may import what, as docs/architecture.md says, and what the package offers."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

import edge_agent

PACKAGE = Path(edge_agent.__file__).parent

# From the top down: a module may import from its own line and from those below it.
LAYERS = [
    {"cli", "__main__"},
    {"bench", "demo", "device"},
    {"training", "importing", "packaging"},
    {"evaluation"},
    {"datasets"},
    {"client", "rpc"},
    {"agent"},
    {"lifecycle"},
    {"catalogue", "workers"},
    {"inference"},
    {"engines", "stages", "conversion", "plan_cache", "imaging", "hardware"},
    {"component"},
    {"access", "settings", "wire", "errors", "logs", "shortage", "version"},
]
# Building models shares with serving what stands below both.
BUILDING = {"datasets", "evaluation", "importing", "packaging", "training"}
# imaging/bitmap.py and inference/verdict.py are plain data, without numpy, and part of the vocabulary of every layer.
DATA = {"edge_agent.imaging.bitmap", "edge_agent.inference.verdict"}
# The catalogue looks into model files, without an engine.
KNOWN = {("edge_agent.engines.signature", "edge_agent.component.manifest")}


def _imports(path: Path) -> set[str]:
    found: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ImportFrom) and node.module and node.module.startswith("edge_agent."):
            found.add(node.module)
    return found


def _layer(module: str) -> int:
    part = module.split(".")[1]
    return next(number for number, names in enumerate(LAYERS) if part in names)


def _modules() -> list[Path]:
    return [path for path in sorted(PACKAGE.rglob("*.py")) if path.parent != PACKAGE or path.stem != "__init__"]


def test_building_models_imports_nothing_of_serving() -> None:
    building = [path for path in _modules() if path.relative_to(PACKAGE).parts[0] in BUILDING]
    assert len(building) > 20
    for path in building:
        allowed = {*BUILDING, "inference", "engines", "imaging", "hardware", "component", "errors", "version"}
        for imported in _imports(path):
            assert imported.split(".")[1] in allowed, f"{path} imports {imported}"


@pytest.mark.parametrize("path", _modules(), ids=lambda path: str(path.relative_to(PACKAGE)))
def test_imports_run_one_way(path: Path) -> None:
    module = ".".join(("edge_agent", *path.relative_to(PACKAGE).with_suffix("").parts))
    for imported in _imports(path) - DATA:
        if imported in ("edge_agent.version", "edge_agent.cli") and module.startswith("edge_agent.cli"):
            continue
        assert _layer(imported) >= _layer(module), f"{module} imports {imported} from a layer above its own"


@pytest.mark.parametrize(
    ("module", "absent"),
    [
        ("edge_agent.workers.inspector", "grpc"),
        ("edge_agent.workers.process", "grpc"),
        ("edge_agent.rpc.server", "grpc"),
        ("edge_agent.rpc.server", "numpy"),
        ("edge_agent.rpc.server", "cv2"),
        ("edge_agent.rpc.server", "onnxruntime"),
        ("edge_agent.rpc.server", "PIL"),
        ("edge_agent.rpc.server", "edge_agent.datasets"),
        ("edge_agent.workers.process", "edge_agent.datasets"),
        ("edge_agent.workers.process", "edge_agent.evaluation"),
        ("edge_agent.workers.process", "sklearn"),
        ("edge_agent.workers.process", "onnx"),
        ("edge_agent.workers.process", "cryptography"),
        ("edge_agent.rpc.server", "cryptography"),
    ],
)
def test_no_grpc_in_a_worker_and_no_pixels_in_the_front(module: str, absent: str) -> None:
    program = f"import sys, {module}; sys.exit({absent!r} in sys.modules)"
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 0


def test_the_package_offers_few_names() -> None:
    assert edge_agent.__all__ == [
        "AgentUnreachable", "Area", "CallFailed", "Client", "Detection", "EdgeAgentError", "ModelInfo", "__version__",
    ]  # fmt: skip
    assert all(getattr(edge_agent, name) for name in edge_agent.__all__)
    with pytest.raises(AttributeError, match="no attribute 'Nothing'"):
        _ = edge_agent.Nothing
