"""From a picture's arrival to its event on a broker on loopback: `python -m benchmarks.events [CALLS]`.

Claim: at p99 an event is there at most 10 ms after the call's answer. It needs mosquitto.
"""

from __future__ import annotations

import contextlib
import os
import queue
import shutil
import socket
import subprocess
import tempfile
import time
from pathlib import Path

import paho.mqtt.client as paho
from paho.mqtt.enums import CallbackAPIVersion

from benchmarks.beginning import begin, command_line
from benchmarks.rig import BareClient, cookie_picture, daemon, light_component, machine, median, quantile
from edge_agent.client.client import Client

WIDTH, HEIGHT = 320, 240
_CALLS = 2000
_PAUSE = 0.01  # a line's pictures come one at a time


def _broker(folder: Path) -> tuple[subprocess.Popen[bytes], int]:
    found = shutil.which("mosquitto", path=f"{os.environ.get('PATH', '')}:/usr/sbin")
    if found is None:
        raise SystemExit("mosquitto is not installed: apt install mosquitto")
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    config = folder / "mosquitto.conf"
    config.write_text(f"listener {port} 127.0.0.1\nallow_anonymous true\n")
    broker = subprocess.Popen([found, "-c", config], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    while True:
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return broker, int(port)
        time.sleep(0.05)


def main() -> None:
    parser = command_line("events", __doc__)
    parser.add_argument("calls", nargs="?", type=int, default=_CALLS, help=f"else {_CALLS}")
    calls = begin(parser).calls
    print(machine())
    with tempfile.TemporaryDirectory() as folder, contextlib.ExitStack() as stack:
        place = Path(folder)
        broker, port = _broker(place)
        stack.callback(broker.wait)
        stack.callback(broker.kill)
        config = place / "config.toml"
        config.write_text(
            f'device_name = "bench"\n[[event]]\nname = "plc"\nsender = "mqtt"\nhost = "127.0.0.1"\nport = {port}\n'
        )
        models = place / "models"
        manifest = light_component(models, WIDTH, HEIGHT)
        arrived: queue.Queue[float] = queue.Queue()
        listening = paho.Client(CallbackAPIVersion.VERSION2)
        listening.on_connect = lambda client, *_: client.subscribe(f"edge-agent/bench/{manifest.name}", qos=1)
        listening.on_message = lambda *_: arrived.put(time.perf_counter())
        listening.connect("127.0.0.1", port)
        listening.loop_start()
        stack.callback(listening.loop_stop)
        server, _ = stack.enter_context(daemon(models, "--config", str(config)))
        with Client(server) as control:
            control.start(manifest.name)
        client = BareClient(server, manifest, cookie_picture(WIDTH, HEIGHT))
        stack.callback(client.close)
        taken, told = [], []
        for number in range(calls + 100):
            begun = time.perf_counter()
            client()
            answered = time.perf_counter()
            event = arrived.get(timeout=60)
            if number >= 100:
                taken.append(answered - begun)
                told.append(event - begun)
            time.sleep(_PAUSE)
        for name, samples in (("the answer", taken), ("the event", told)):
            p50, p99 = median(samples) * 1e3, quantile(samples, 0.99) * 1e3
            print(f"  from the picture to {name:11} p50 {p50:.2f} ms  p99 {p99:.2f} ms")
        print(f"  at p99 the event comes {(quantile(told, 0.99) - quantile(taken, 0.99)) * 1e3:.2f} ms after")


if __name__ == "__main__":
    main()
