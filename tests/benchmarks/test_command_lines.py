"""Every benchmark says what it measures before it measures, and one that is ended leaves nothing behind."""

from __future__ import annotations

import contextlib
import importlib
import signal
import subprocess
import sys
from pathlib import Path

import psutil
import pytest

import benchmarks
from benchmarks.rig import REFERENCE
from tests.support.daemon import alive, wait_until

_HERE = Path(benchmarks.__file__).parent
BENCHMARKS = [path.stem for path in sorted(_HERE.glob("*.py")) if '__name__ == "__main__"' in path.read_text()]
BENCHMARKS += sorted(path.parent.name for path in _HERE.glob("*/__main__.py"))
#: what starts more than one process soon after its beginning, and goes on for long enough
STARTING = [
    "transport",
    "observing --rounds 99999",
    "memory --side 256 --calls 99999",
    "throughput",
    "faults -k workers",
]


@pytest.mark.parametrize("name", BENCHMARKS)
def test_help_says_what_it_measures(
    name: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    ours = _HERE / name
    module = importlib.import_module(f"benchmarks.{name}.__main__" if ours.is_dir() else f"benchmarks.{name}")
    monkeypatch.setattr(sys, "argv", [name, "--help"])
    with pytest.raises(SystemExit) as ended:
        module.main()
    assert ended.value.code == 0
    said = capsys.readouterr().out
    assert said.startswith(f"usage: python -m benchmarks.{name} ")
    assert str(module.__doc__).splitlines()[0] in said


@pytest.mark.long
@pytest.mark.parametrize("words", STARTING)
def test_one_that_is_ended_leaves_nothing_behind(words: str) -> None:
    if words == "throughput" and not REFERENCE.exists():
        pytest.skip("the reference model is not beside this checkout (../shared)")
    command = [sys.executable, "-m", "benchmarks." + words.split(maxsplit=1)[0], *words.split()[1:]]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as benchmark:

        def serving() -> list[psutil.Process]:
            found = psutil.Process(benchmark.pid).children(recursive=True)
            return found if any("serve" in _words(process) for process in found) else []

        try:
            wait_until(serving, "its daemon runs")
            wait_until(lambda: len(serving()) >= 2, "there is more than a daemon")
            started = serving()
            benchmark.send_signal(signal.SIGTERM)
            _, said = benchmark.communicate()
        finally:
            benchmark.kill()
    assert benchmark.returncode == 128 + signal.SIGTERM, said
    assert "Traceback" not in said
    wait_until(lambda: not any(alive(process.pid) for process in started), "all that it started has ended")


def _words(process: psutil.Process) -> list[str]:
    with contextlib.suppress(psutil.Error):  # it has just ended
        return process.cmdline()
    return []
