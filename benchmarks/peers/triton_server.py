"""Triton Inference Server with its Python backend, as AWS's successor of the agent runs it.

What was needed to run it without a GPU and without its container: the binary and the backend come in the wheel of
nvidia-pytriton, with all libraries that they miss (CUDA's runtime among them). The backend wants the stub for this
Python's version beside it, the stub wants libpython and finds its packages by the first python3 in PATH.

What was tuned in its favour: a Unix socket instead of TCP (`--grpc-address unix:PATH`, to which Triton adds ":PORT"),
no HTTP, metrics, CUDA or pinned memory pools, inputs that are known to be in the processor's memory; the segments are
registered once; as many instances and engine threads as the agent. Tried and left out: threads for its buffer manager
(no difference), and a malloc that keeps large blocks (bytes took half as long again).
"""

from __future__ import annotations

import contextlib
import os
import shutil
import sys
import sysconfig
from collections.abc import Iterator, Sequence
from pathlib import Path

from benchmarks.peers.environment import CHECKOUT, PeerUnavailable, environment, site_packages
from benchmarks.peers.processes import serving
from benchmarks.peers.work import Model, Strength

_PORT = 1  # Triton wants a number; on a Unix socket it is only the end of its name
_CONFIG = """\
name: "{name}"
backend: "python"
max_batch_size: 0
input [{{ name: "bitmap", data_type: TYPE_UINT8, dims: [{height}, {width}, 3] }}]
output [{{ name: "mask", data_type: TYPE_UINT8, dims: [{height}, {width}, 3] }}]
instance_group [{{ count: {instances}, kind: KIND_CPU }}]
parameters: {{ key: "component", value: {{ string_value: "{component}" }} }}
parameters: {{ key: "threads", value: {{ string_value: "{threads}" }} }}
parameters: {{ key: "checkout", value: {{ string_value: "{checkout}" }} }}
parameters: {{ key: "FORCE_CPU_ONLY_INPUT_TENSORS", value: {{ string_value: "yes" }} }}
"""


def prepare() -> Path:
    """Make Triton's environment and return its folder.

    Raises:
        PeerUnavailable: it can't be made, or Triton has nothing for this Python.
    """
    folder = environment("triton")
    version = f"{sys.version_info.major}.{sys.version_info.minor}"
    server = site_packages(folder) / "pytriton" / "tritonserver"
    stub = server / "python_backend_stubs" / version / "triton_python_backend_stub"
    if not stub.exists():
        raise PeerUnavailable(f"triton has no stub of its Python backend for Python {version}: {stub} is not there")
    library = Path(sysconfig.get_config_var("LIBDIR")) / str(sysconfig.get_config_var("INSTSONAME"))
    if library.suffix == ".a":
        raise PeerUnavailable(f"triton's Python backend needs a shared libpython{version}, this Python has {library}")
    shutil.copy(stub, server / "backends" / "python" / stub.name)
    return folder


@contextlib.contextmanager
def triton(home: Path, folder: Path, models: Sequence[Model], strength: Strength) -> Iterator[str]:
    """Run Triton out of the environment `home`, with all it writes in `folder`; gives the address.

    Raises:
        ProcessEnded: it did not get ready.
    """
    for model in models:
        place = folder / "repository" / model.name / "1"
        place.mkdir(parents=True)
        shutil.copy(Path(__file__).parent / "triton_model.py", place / "model.py")
        (place.parent / "config.pbtxt").write_text(
            _CONFIG.format(checkout=CHECKOUT, **model._asdict(), **strength._asdict())
        )
    server = site_packages(home) / "pytriton" / "tritonserver"
    address = f"unix:{folder}/triton"
    segments = f"edge-agent-triton-{os.getpid()}-"
    command = [str(server / "bin" / "tritonserver"), f"--model-repository={folder / 'repository'}"]
    command += [
        f"--backend-directory={server / 'backends'}",
        f"--backend-config=python,shm-region-prefix-name={segments}",
    ]
    command += ["--allow-http=false", "--allow-metrics=false", f"--grpc-address={address}", f"--grpc-port={_PORT}"]
    command += ["--pinned-memory-pool-byte-size=0", "--log-info=false", "--log-warning=false"]
    variables = {
        "PATH": f"{home / 'bin'}:{os.environ.get('PATH', '')}",
        "LD_LIBRARY_PATH": str(sysconfig.get_config_var("LIBDIR")),
    }
    try:
        with serving(command, folder, f"{address}:{_PORT}", variables):
            yield f"{address}:{_PORT}"
    finally:
        for left in Path("/dev/shm").glob(f"{segments}*"):  # what it leaves when it is killed
            left.unlink()
