"""A model changes over to another version while a client sends picture after picture.

How long it takes from the moment when the new version is in the model folder until it answers, and what the client's
calls take meanwhile, next to its calls while nothing changes, in the same run. No call may be refused.
"""

from __future__ import annotations

import tempfile
import time
from pathlib import Path

from benchmarks.beginning import begin, command_line
from benchmarks.rig import (
    BareClient,
    cookie_picture,
    daemon,
    machine,
    median,
    milliseconds,
    quantile,
    reference_component,
    variant,
)
from edge_agent.client.client import Client

ROUNDS, STEADY_SECONDS = 10, 2.0


def _next_version(models: Path, name: str, number: int) -> Path:
    """Write another version beside the model folder; renaming it is all that is left to do."""
    folder = models / name / f".next-{number}"
    variant(models / name / "1.0.0", folder, version=f"1.0.{number}", threshold=0.5 + number / 1000)
    return folder


def main() -> None:
    begin(command_line("changeover", __doc__))
    print(machine())
    steady: list[float] = []
    changing: list[float] = []
    until: list[float] = []
    with tempfile.TemporaryDirectory() as folder:
        models = Path(folder)
        reference = reference_component(models, 576, 768)
        with daemon(models, "--scan-seconds", "1") as (socket, _), Client(socket) as control:
            control.start(reference.name)
            client = BareClient(socket, reference, cookie_picture(576, 768))
            for number in range(1, ROUNDS + 1):
                ready = _next_version(models, reference.name, number)
                end = time.monotonic() + STEADY_SECONDS
                while time.monotonic() < end:
                    begun = time.perf_counter()
                    client()
                    steady.append(time.perf_counter() - begun)
                ready.rename(ready.with_name(f"1.0.{number}"))
                there = time.perf_counter()
                threshold = 0.0
                while round(threshold, 3) != round(0.5 + number / 1000, 3):
                    begun = time.perf_counter()
                    threshold = client().anomaly_threshold  # an error would end the benchmark
                    changing.append(time.perf_counter() - begun)
                until.append(time.perf_counter() - there)
            client.close()
    for name, values in (("nothing changes", steady), ("changing over", changing)):
        print(f"  {name:16} p50 {milliseconds(median(values))}  p99 {milliseconds(quantile(values, 0.99))}")
    print(f"  longest call while changing over {milliseconds(max(changing))}")
    print(f"  until the new version answers {median(until):.2f} s (longest {max(until):.2f} s)")
    print(f"  of {len(steady) + len(changing)} calls, 0 were refused")


if __name__ == "__main__":
    main()
