"""MLServer, the second peer. It has no shared memory.

What was tuned in its favour: a Unix socket, gRPC alone, no metrics; pixels as one raw value of the type BYTES, the
fastest of what it takes (of a UINT8 tensor it makes a list with a Python number for every byte, and values that are not
raw take it 8 ms longer to answer with); and with one instance the model runs in the server's process
(`parallel_workers` 0), because MLServer pickles what it sends to its workers.
"""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterator, Sequence
from pathlib import Path

from benchmarks.peers.environment import environment
from benchmarks.peers.processes import serving
from benchmarks.peers.work import Model, Strength


def prepare() -> Path:
    """Make MLServer's environment and return its folder.

    Raises:
        PeerUnavailable: it can't be made.
    """
    return environment("mlserver")


@contextlib.contextmanager
def mlserver(home: Path, folder: Path, models: Sequence[Model], strength: Strength) -> Iterator[str]:
    """Run MLServer out of the environment `home`, with all it writes in `folder`; gives the address.

    Raises:
        ProcessEnded: it did not get ready.
    """
    workers = strength.instances if strength.instances > 1 else 0
    host, port = f"unix:{folder}/mlserver", 1
    server = {"host": host, "grpc_port": port, "grpc_max_message_length": -1, "parallel_workers": workers}
    extra = {model.name: {**model._asdict(), "threads": strength.threads} for model in models}
    (folder / "settings").write_text(json.dumps({"server": server, "models": extra}))
    command = [str(home / "bin" / "python"), "-m", "benchmarks.peers.mlserver_process", str(folder / "settings")]
    with serving(command, folder, f"{host}:{port}"):
        yield f"{host}:{port}"
