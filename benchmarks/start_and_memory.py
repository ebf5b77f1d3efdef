"""How fast the daemon and a model start, and what they take.

Claims: the daemon is ready in 1 s; the reference model is RUNNING 2 s after StartModel; the front process takes less
than 80 MB; a worker less than the bare engine process + 60 MB; ten start/stop rounds end at the memory they began with;
a call whose worker is killed ends within a second.
Memory is the proportional set size (PSS) for processes that share libraries, and the resident set size (RSS) beside it.
"""

from __future__ import annotations

import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import grpc
import psutil

from benchmarks.beginning import begin, command_line
from benchmarks.held import workers
from benchmarks.rig import BareClient, cookie_picture, daemon, machine, milliseconds, reference_component
from edge_agent.client.client import Client
from edge_agent.component.manifest import Manifest

_BARE_ENGINE = """
import sys, numpy, onnxruntime
session = onnxruntime.InferenceSession(sys.argv[1], providers=["CPUExecutionProvider"])
tensor = numpy.zeros((1, 3, 384, 288), numpy.float32)
for _ in range(20):
    session.run(None, {"input": tensor})
print("ready", flush=True)
sys.stdin.read()
"""


def memory(pid: int) -> tuple[float, float]:
    """Return (PSS, RSS) in MB."""
    info = psutil.Process(pid).memory_full_info()
    return info.pss / 1e6, info.rss / 1e6


def shown(pid: int) -> str:
    pss, rss = memory(pid)
    return f"PSS {pss:6.1f} MB  RSS {rss:6.1f} MB"


def bare_engine_memory(model: Path) -> float:
    """Return the RSS in MB of a process that only runs the engine, and print it."""
    command = [sys.executable, "-c", _BARE_ENGINE, str(model)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        process.stdout.readline()
        print(f"  bare engine process      {shown(process.pid)}")
        rss = memory(process.pid)[1]
        process.kill()
    return rss


def ready_seconds(models: Path) -> float:
    """Return the time from launching the daemon until a call is answered."""
    with tempfile.TemporaryDirectory() as folder:
        socket = f"unix://{folder}/a.sock"
        command = [sys.executable, "-m", "edge_agent", "serve", "--socket", socket, "--model-dir", str(models)]
        begun = time.monotonic()
        with subprocess.Popen([*command, "--state-dir", folder, "--log-level", "warning"]) as process:
            try:
                while not Path(folder, "a.sock").exists():
                    time.sleep(0.002)
                with Client(socket, wait=10.0) as client:
                    client.models()
                return time.monotonic() - begun
            finally:
                process.terminate()


def rounds(models: Path, manifest: Manifest) -> None:
    with daemon(models) as (socket, pid), Client(socket) as control:
        print(f"  front, idle              {shown(pid)}")
        starts, fronts = [], []
        for _ in range(10):
            begun = time.monotonic()
            control.start(manifest.name)
            starts.append(time.monotonic() - begun)
            client = BareClient(socket, manifest, cookie_picture(576, 768))
            for _ in range(50):
                client()
            client.close()
            worker = psutil.Process(*workers(pid))
            if len(starts) == 1:
                print(f"  worker, after 50 calls   {shown(worker.pid)}")
                worker_rss = memory(worker.pid)[1]
            control.stop(manifest.name)
            fronts.append(memory(pid)[1])
            assert not workers(pid), "the worker is gone, and all its memory with it"
        print(f"  front, after each round of start, 50 calls, stop: RSS {' '.join(f'{mb:.1f}' for mb in fronts)} MB")
    print(f"  StartModel to RUNNING    {statistics.median(starts):.2f} s  (longest {max(starts):.2f} s)")
    bare = bare_engine_memory(models / manifest.name / "1.0.0" / manifest.model)
    print(f"  worker - bare engine process: {worker_rss - bare:.1f} MB RSS")


def killed_worker(models: Path, manifest: Manifest) -> None:
    """Kill a worker that has a call, and time how soon the call ends and the model is back."""
    ends, backs = [], []
    with daemon(models, "--first-restart", "0.001") as (socket, pid), Client(socket) as control:
        control.start(manifest.name)
        client = BareClient(socket, manifest, cookie_picture(576, 768))
        for _ in range(5):
            worker = psutil.Process(*workers(pid))
            worker.suspend()
            call = client.later()
            client.ping()
            begun = time.monotonic()
            worker.kill()
            assert call.exception().code() is grpc.StatusCode.INTERNAL
            ends.append(time.monotonic() - begun)
            while control.describe(manifest.name).status != "RUNNING":
                time.sleep(0.002)
            backs.append(time.monotonic() - begun)
        client.close()
    print(f"  call of a killed worker ends after {milliseconds(max(ends)).strip()} (the longest of {len(ends)})")
    print(f"  and its model is RUNNING again after {max(backs):.2f} s, of which 0.001 s were the first wait")


def main() -> None:
    begin(command_line("start_and_memory", __doc__))
    print(machine())
    with tempfile.TemporaryDirectory() as folder:
        models = Path(folder)
        manifest = reference_component(models, 576, 768)
        taken = [ready_seconds(models) for _ in range(7)]
        print(f"  daemon ready after       {statistics.median(taken):.2f} s  (longest {max(taken):.2f} s)")
        rounds(models, manifest)
        killed_worker(models, manifest)


if __name__ == "__main__":
    main()
