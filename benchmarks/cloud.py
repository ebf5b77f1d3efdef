"""What a detection costs through the service's API, over the same picture through the agent's socket.

A JPEG of 1280x960, a model that does next to nothing, and the reference model. `grpc` is `edge_agent.Client.detect` of
the decoded picture; `http` the call DetectAnomalies over one connection that stays open, signed with an access key:
decoding, shared memory, the mask as PNG, base64, JSON. Claims: `http` costs at most 15 ms more, most of it decoding; 50
clients at once get 20 detections a second on two cores, or, where the engine does not do that, nine tenths of what the
agent and the decoding do together.

About two minutes, on a machine that does nothing else. Example: python -m benchmarks.cloud --seconds 5
"""

from __future__ import annotations

import argparse
import hashlib
import hmac
import http.client
import io
import os
import socketserver
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

import psutil
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
from edge_agent.studio.aws.keys import AccessKey, AccessKeys
from edge_agent.studio.aws.operations.hosting import answer_of
from edge_agent.studio.aws.signature import ALGORITHM, Credential, SentRequest, derive_key, string_to_sign
from edge_agent.studio.store.store import Store

WIDTH, HEIGHT = 1280, 960
CLIENTS = 50
MODELS = ((1, "light model"), (2, "reference model"))
_PATH = "/2020-11-20/projects/bench/models/{}/detect"


class Caller:
    """Makes signed calls to the server at a port."""

    def __init__(self, port: int, key: AccessKey) -> None:
        self.port, self._key = port, key

    def connect(self) -> http.client.HTTPConnection:
        """Open a connection."""
        return http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)

    def headers(self, path: str, body: bytes) -> dict[str, str]:
        """Sign a request."""
        date = time.strftime("%Y%m%dT%H%M%SZ", time.gmtime())
        given = {"content-type": "image/jpeg", "host": f"127.0.0.1:{self.port}", "x-amz-date": date}
        credential = Credential(self._key.id, date[:8], "local", "lookoutvision", tuple(sorted(given)), "")
        sent = SentRequest("POST", path, "", list(given.items()))
        text = string_to_sign(sent, credential, date, hashlib.sha256(body).hexdigest())
        signature = hmac.new(derive_key(self._key.secret, credential), text.encode(), "sha256").hexdigest()
        signed = f"Credential={credential.key}/{credential.scope}, SignedHeaders={';'.join(credential.signed)}"
        return given | {"authorization": f"{ALGORITHM} {signed}, Signature={signature}"}


def ask(caller: Caller, connection: http.client.HTTPConnection, number: int, body: bytes) -> bytes:
    """Make one call."""
    path = _PATH.format(number)
    connection.request("POST", path, body, caller.headers(path, body))
    response = connection.getresponse()
    content = response.read()
    assert response.status == 200, content[:500]
    return content


def at_once(caller: Caller, number: int, body: bytes, seconds: float) -> tuple[float, list[float]]:
    """Have all clients ask for a while; detections a second, and how long each took."""
    taken: list[float] = []
    end = time.monotonic() + seconds

    def one() -> None:
        connection = caller.connect()
        while time.monotonic() < end:
            begun = time.perf_counter()
            ask(caller, connection, number, body)
            taken.append(time.perf_counter() - begun)
        connection.close()

    begun = time.monotonic()
    threads = [threading.Thread(target=one) for _ in range(CLIENTS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return len(taken) / (time.monotonic() - begun), taken


def agent_alone(socket: str, model: str, picture: bytes, seconds: float) -> float:
    """Give the detections a second of four clients on the agent's socket, without HTTP and JPEG."""
    pixels = decode(picture, "image/jpeg")
    count = 0
    end = time.monotonic() + seconds

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
    parser = command_line("cloud", __doc__)
    parser.add_argument("--rounds", type=int, default=10, help="of 10 calls each way (10)")
    parser.add_argument("--seconds", type=float, default=10.0, help="that the 50 clients ask each model (10)")
    given = begin(parser)
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
        key = AccessKeys(root / "studio").add("bench", "use")
        with daemon(models) as (socket, _):
            with Client(socket) as client:
                for number in (1, 2):
                    client.start(f"bench.{number}")
            port = _free_port()
            command = [sys.executable, "-m", "edge_agent", "cloud", "serve", "--data", str(root / "studio"),
                       "--port", str(port), "--socket", socket]  # fmt: skip
            with subprocess.Popen(command, stdout=subprocess.DEVNULL) as process:
                try:
                    _measure(Caller(port, key), psutil.Process(process.pid), socket, body, given)
                finally:
                    process.terminate()


def _free_port() -> int:
    with socketserver.TCPServer(("127.0.0.1", 0), socketserver.BaseRequestHandler) as server:
        return int(server.server_address[1])


def _rename(models: Path, name: str, to: str) -> None:
    manifest = models / name / "1.0.0" / "manifest.json"
    manifest.write_text(manifest.read_text().replace(f'"{name}"', f'"{to}"', 1))
    (models / name).rename(models / to)


def _measure(caller: Caller, server: psutil.Process, socket: str, body: bytes, given: argparse.Namespace) -> None:
    connection = caller.connect()
    for _ in range(200):
        try:
            connection.connect()
            break
        except ConnectionError:
            time.sleep(0.05)
    picture = decode(body, "image/jpeg")
    with Client(socket) as client:
        verdict = client.detect("bench.1", picture)
        for number, name in MODELS:
            taken = alternate(
                {
                    "grpc": lambda number=number: client.detect(f"bench.{number}", picture),  # type: ignore[misc]
                    "http": lambda number=number: ask(caller, connection, number, body),  # type: ignore[misc]
                    "decoding": lambda: decode(body, "image/jpeg"),
                    "answer": lambda: answer_of(verdict),
                },
                rounds=given.rounds,
                each=10,
            )
            print(f"{name}: a JPEG of {WIDTH}x{HEIGHT}, {len(body) / 1000:.0f} kB")
            for way, samples in taken.items():
                print(f"  {way:<10}{milliseconds(median(samples))}   p95 {milliseconds(quantile(samples, 0.95))}")
            cost = median(taken["http"]) - median(taken["grpc"])
            print(f"  http costs {milliseconds(cost)} more: claim of 15 ms {_holds(cost <= 0.015)}")
            share = median(taken["decoding"]) / cost if cost > 0 else 1.0
            print(f"  decoding is {share:.0%} of that: claim of most of it {_holds(share > 0.5)}")
            used = sum(server.cpu_times()[:2])
            for _ in range(100):
                ask(caller, connection, number, body)
            print(f"  the server's processor time a call: {milliseconds((sum(server.cpu_times()[:2]) - used) / 100)}")
    decoding, cores = median(taken["decoding"]), len(os.sched_getaffinity(0))
    for number, name in MODELS:
        alone = agent_alone(socket, f"bench.{number}", body, given.seconds / 2)
        rate, taken_each = at_once(caller, number, body, given.seconds)
        print(f"{name}, {CLIENTS} clients at once: {rate:.1f} detections a second,", end=" ")
        print(f"p95 {milliseconds(quantile(taken_each, 0.95)).strip()}")
        beside = 1 / (1 / alone + decoding / cores)
        print(f"  the agent alone: {alone:.1f}, with decoding on the same cores {beside:.1f};", end=" ")
        print(f"claim of 20, or nine tenths of the latter, {_holds(rate >= min(20.0, 0.9 * beside))}")


def _holds(claim: bool) -> str:
    return "holds" if claim else "FAILS"


if __name__ == "__main__":
    main()
