"""The command line as a user types it: real processes with their own exit codes, environment and output.

An interpreter takes 0.3 to 0.8 seconds of the processor to import what a command needs, and the tests run hundreds of
them. So one process (`imported.py`) has imported that, and is forked for each command. Where a variable is another that
an interpreter reads at its start, and for `run_alone`, the command gets an interpreter of its own.
"""

from __future__ import annotations

import atexit
import json
import os
import socket
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


class _Imported:
    """The process that is forked. It ends when its socket does: with this process, however that ends."""

    def __init__(self) -> None:
        self.starts_with = _at_start(os.environ)
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_STREAM)
        with theirs:
            command = [sys.executable, "-m", "tests.support.imported", str(theirs.fileno())]
            self._process = subprocess.Popen(command, cwd=ROOT, pass_fds=[theirs.fileno()])
        self._socket = ours
        atexit.register(self._close)

    def run(self, arguments: list[str], cwd: str, environ: Mapping[str, str], outputs: list[int]) -> tuple[int, float]:
        """Run a command; return its exit code as `subprocess` has it, and the processor seconds that it took."""
        asked = json.dumps({"arguments": arguments, "cwd": cwd, "environ": dict(environ)}).encode()
        socket.send_fds(self._socket, [len(asked).to_bytes(4, "big")], outputs)
        self._socket.sendall(asked)
        with self._socket.makefile("rb") as answers:
            code, seconds = json.loads(answers.readline())
        return code, seconds

    def _close(self) -> None:
        self._socket.close()
        self._process.wait()


_imported: _Imported | None = None
#: processor seconds of the commands that were forked, which no rusage of this process knows
forked_seconds = 0.0


def run(*arguments: object, **environ: str) -> subprocess.CompletedProcess[str]:
    """Run `edge-agent ARGUMENTS` until it ends, with variables added to the environment."""
    return run_in(Path.cwd(), *arguments, **environ)


def run_in(folder: Path, *arguments: object, **environ: str) -> subprocess.CompletedProcess[str]:
    """Run a command in a folder."""
    global _imported, forked_seconds  # noqa: PLW0603  one for all tests of this process
    words, variables = [*map(str, arguments)], {**os.environ, **environ}
    if _at_start(variables) != _at_start(os.environ if _imported is None else _imported.starts_with):
        return _run_alone(folder, words, variables)
    _imported = _imported or _Imported()
    with tempfile.TemporaryFile() as stdout, tempfile.TemporaryFile() as stderr:
        outputs = [stdout.fileno(), stderr.fileno()]
        code, seconds = _imported.run(words, str(folder), variables, outputs)
        forked_seconds += seconds
        said = []
        for output in (stdout, stderr):
            output.seek(0)
            said.append(output.read().decode())
    return subprocess.CompletedProcess(["edge-agent", *words], code, *said)


def run_alone(*arguments: object) -> subprocess.CompletedProcess[str]:
    """Run a command in an interpreter of its own, where it finds by itself what it needs."""
    return _run_alone(Path.cwd(), [*map(str, arguments)], os.environ)


def _run_alone(folder: Path, words: list[str], variables: Mapping[str, str]) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "edge_agent", *words]
    return subprocess.run(command, capture_output=True, text=True, check=False, cwd=folder, env=variables)


def failed(done: subprocess.CompletedProcess[str]) -> str:
    """Expect exit code 1 with one line, and return that line."""
    assert done.returncode == 1
    assert done.stdout == ""
    assert done.stderr.startswith("edge-agent: ")
    assert done.stderr.count("\n") == 1, done.stderr
    return done.stderr.strip()


def _at_start(environ: Mapping[str, str]) -> dict[str, str]:
    """Give what the interpreter and the linker read once, when they start."""
    return {name: value for name, value in environ.items() if name.startswith(("PYTHON", "LD_", "OMP_", "OPENBLAS_"))}
