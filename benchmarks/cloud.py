"""What a detection costs through the service's API, over the same picture through the agent's socket.

A JPEG of 1280x960 and the reference model. `grpc` is `edge_agent.Client.detect` of the decoded picture; `http` the call
DetectAnomalies over one connection that stays open, signed by nobody: decoding, shared memory, the mask as PNG, base64,
JSON. Claims: `http` costs at most 15 ms more, most of it decoding; 50 clients at once get 20 detections a second on
two cores, or what the engine alone gives them if that is less.
"""

from __future__ import annotations

import http.client
import io
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

from PIL import Image

from benchmarks.beginning import begin, command_line
from benchmarks.rig import (
    alternate,
    cookie_picture,
    daemon,
    light_component,
    machine,
    median,
    milliseconds,
    quantile,
    reference_component,
)
from edge_agent.client.client import Client
from edge_agent.studio.aws.detectors import decode
from edge_agent.studio.aws.operations.hosting import answer_of
from edge_agent.studio.store.store import Store

WIDTH, HEIGHT = 1280, 960
CLIENTS = 50
SECONDS = 10.0
_PATH = "/2020-11-20/projects/bench/models/{}/detect"
_AUTHORIZATION = (
    "AWS4-HMAC-SHA256 Credential=bench/20240101/local/lookoutvision/aws4_request, SignedHeaders=host, Signature=none"
)


def ask(connection: http.client.HTTPConnection, number: int, body: bytes) -> bytes:
    """Make one call."""
    headers = {"Content-Type": "image/jpeg", "Authorization": _AUTHORIZATION}
    connection.request("POST", _PATH.format(number), body, headers)
    response = connection.getresponse()
    content = response.read()
    assert response.status == 200, content[:500]
    return content


def at_once(port: int, number: int, body: bytes) -> tuple[float, list[float]]:
    """Have all clients ask for a while; detections a second, and how long each took."""
    taken: list[float] = []
    end = time.monotonic() + SECONDS

    def one() -> None:
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
        while time.monotonic() < end:
            begun = time.perf_counter()
            ask(connection, number, body)
            taken.append(time.perf_counter() - begun)
        connection.close()

    begun = time.monotonic()
    threads = [threading.Thread(target=one) for _ in range(CLIENTS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return len(taken) / (time.monotonic() - begun), taken


def engine_alone(socket: str, model: str, picture: bytes) -> float:
    """Give the detections a second of four clients on the agent's socket, without HTTP and JPEG."""
    pixels = decode(picture, "image/jpeg")
    count = 0
    end = time.monotonic() + SECONDS / 2

    def one() -> None:
        nonlocal count
        with Client(socket) as client:
            while time.monotonic() < end:
                client.detect(model, pixels)
                count += 1

    threads = [threading.Thread(target=one) for _ in range(4)]
    begun = time.monotonic()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return count / (time.monotonic() - begun)


def main() -> None:
    """Measure, and say whether the claims hold."""
    begin(command_line("cloud", __doc__))
    print(machine())
    content = io.BytesIO()
    Image.fromarray(cookie_picture(WIDTH, HEIGHT)).save(content, "JPEG", quality=90)
    body = content.getvalue()
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        models = root / "models"
        # The names under which the service's API hosts versions 1 and 2 of a project `bench`.
        for number, make in ((1, light_component), (2, reference_component)):
            made = make(models, WIDTH, HEIGHT)
            _rename(models, made.name, f"bench.{number}")
        store = Store(root / "studio")
        store.projects.create("bench")
        store.close()
        with daemon(models) as (socket, _):
            with Client(socket) as client:
                for number in (1, 2):
                    client.start(f"bench.{number}")
            port = 18502
            command = [sys.executable, "-m", "edge_agent", "cloud", "serve", "--data", str(root / "studio"),
                       "--port", str(port), "--socket", socket]  # fmt: skip
            with subprocess.Popen(command, stdout=subprocess.DEVNULL) as process:
                try:
                    _measure(port, socket, body)
                finally:
                    process.terminate()


def _rename(models: Path, name: str, to: str) -> None:
    manifest = models / name / "1.0.0" / "manifest.json"
    manifest.write_text(manifest.read_text().replace(f'"{name}"', f'"{to}"', 1))
    (models / name).rename(models / to)


def _measure(port: int, socket: str, body: bytes) -> None:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    for _ in range(200):
        try:
            connection.connect()
            break
        except ConnectionError:
            time.sleep(0.05)
    picture = decode(body, "image/jpeg")
    with Client(socket) as client:
        verdict = client.detect("bench.1", picture)
        for number, name in ((1, "light model"), (2, "reference model")):
            taken = alternate(
                {
                    "grpc": lambda number=number: client.detect(f"bench.{number}", picture),  # type: ignore[misc]
                    "http": lambda number=number: ask(connection, number, body),  # type: ignore[misc]
                    "decoding": lambda: decode(body, "image/jpeg"),
                    "answer": lambda: answer_of(verdict),
                },
                rounds=10,
                each=10,
            )
            print(f"{name}: a JPEG of {WIDTH}x{HEIGHT}, {len(body) / 1000:.0f} kB")
            for way, samples in taken.items():
                print(f"  {way:<10}{milliseconds(median(samples))}   p95 {milliseconds(quantile(samples, 0.95))}")
            cost = median(taken["http"]) - median(taken["grpc"])
            print(f"  http costs {milliseconds(cost)} more: claim of 15 ms {'holds' if cost <= 0.015 else 'FAILS'}")
    alone = engine_alone(socket, "bench.2", body)
    rate, taken_each = at_once(port, 2, body)
    wanted = min(20.0, alone)
    print(f"{CLIENTS} clients at once: {rate:.1f} detections a second, p95 {milliseconds(quantile(taken_each, 0.95))};")
    print(f"  the agent alone, without HTTP and JPEG: {alone:.1f}; claim {'holds' if rate >= wanted else 'FAILS'}")


if __name__ == "__main__":
    main()
