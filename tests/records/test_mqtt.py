"""MQTT with a real broker: mosquitto, killed and started again, refusing, and away."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import socket
import subprocess
import threading
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from edge_agent.records.events.outbox import line_states
from edge_agent.records.events.post import Post
from edge_agent.records.events.rules import parse_events
from tests.support import sparkplug
from tests.support.daemon import bytes_request, running_daemon, wait_until
from tests.support.fakes import picture, write_echo
from tests.support.mosquitto import WITH_MOSQUITTO, Broker, Subscriber, make_impatient, post_to
from tests.support.records import record

pytestmark = WITH_MOSQUITTO


@pytest.fixture
def broker(tmp_path: Path) -> Iterator[Broker]:
    folder = tmp_path / "broker"
    folder.mkdir()
    made = Broker(folder)
    yield made
    made.kill()


@pytest.fixture
def subscriber(broker: Broker) -> Iterator[Subscriber]:
    made = Subscriber(broker.port)
    yield made
    made.close()


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    make_impatient(monkeypatch)


def without_repeats(ids: Sequence[int]) -> list[int]:
    return list(dict.fromkeys(ids))


@pytest.mark.parametrize("version", ["5", "3.1.1"])
def test_a_verdict_arrives_and_the_device_says_that_it_is_there(
    tmp_path: Path, broker: Broker, subscriber: Subscriber, version: str
) -> None:
    topic = "edge-agent/{device}/{model}/{verdict}/{station}"
    post = post_to(tmp_path, broker.port, version=version, topic=topic)
    post.take([record(1, anomalous=True, station="a/b#", areas={"crack": 0.5}), record(2)])
    wait_until(lambda: len(subscriber.ids()) == 2, "both are there")
    assert [topic for topic, _, _ in subscriber.messages if "available" not in topic] == [
        "edge-agent/d/echo/anomalous/a_b_", "edge-agent/d/echo/normal/-",
    ]  # fmt: skip
    assert json.loads(subscriber.messages[-2][1])["areas"] == {"crack": 0.5}
    available = "edge-agent/d/available"
    assert (available, b"online") in [message[:2] for message in subscriber.messages]
    post.close()
    wait_until(lambda: (available, b"offline") == subscriber.messages[-1][:2], "it says that it goes")


@pytest.mark.parametrize("version", ["5", "3.1.1"])
def test_a_host_of_sparkplug_hears_births_data_and_death(
    tmp_path: Path, broker: Broker, subscriber: Subscriber, version: str
) -> None:
    def kinds() -> list[str]:
        return [topic.split("/")[2] for topic, _, _ in list(subscriber.messages) if "/NCMD/" not in topic]

    post = post_to(tmp_path, broker.port, payload="sparkplug", version=version)
    wait_until(lambda: kinds() == ["NBIRTH"], "it is born")
    post.take([record(1, anomalous=True, areas={"crack": 0.5}), record(2)])
    wait_until(lambda: kinds() == ["NBIRTH", "DBIRTH", "DDATA", "DDATA"], "verdicts are told")
    told = [sparkplug.read(payload) for _, payload, _ in subscriber.messages]
    assert [payload.seq for payload in told] == [0, 1, 2, 3]
    assert [payload.metrics["id"] for payload in told[2:]] == [1, 2]
    subscriber.client.publish("spBv1.0/edge-agent/NCMD/d", sparkplug.rebirth_command(), qos=0)
    wait_until(lambda: kinds()[4:] == ["NBIRTH", "DBIRTH"], "it is born again")
    broker.kill()
    wait_until(lambda: not subscriber.client.is_connected(), "the host has noticed")
    subscriber.subscribed = False  # a broker that was killed may have forgotten it
    broker.start()
    wait_until(lambda: subscriber.subscribed, "the host is back")
    post.take([record(3)])
    wait_until(lambda: kinds()[-1] == "DDATA", "it is told by another connection")
    subscriber.client.publish("spBv1.0/edge-agent/NCMD/d", sparkplug.rebirth_command(), qos=0)
    wait_until(lambda: kinds()[-2:] == ["NBIRTH", "DBIRTH"], "it is born again")
    births = [
        sparkplug.read(payload).metrics["bdSeq"] for topic, payload, _ in subscriber.messages if "/NBIRTH/" in topic
    ]
    assert births[0] == births[1] != births[-1]
    post.close()
    wait_until(lambda: kinds()[-1] == "NDEATH", "it says that it goes")
    assert sparkplug.read(subscriber.messages[-1][1]).metrics == {"bdSeq": births[-1]}


def test_a_broker_that_is_killed_in_mid_stream_loses_nothing(
    tmp_path: Path, broker: Broker, subscriber: Subscriber
) -> None:
    post = post_to(tmp_path, broker.port)
    count = 3000

    def feed() -> None:
        for number in range(1, count + 1):
            post.take([record(number)])
            time.sleep(0.001)

    feeding = threading.Thread(target=feed)
    feeding.start()
    for round_ in range(1, 4):
        wait_until(lambda: len(set(subscriber.ids())) > 700 * round_, "some have arrived")  # noqa: B023
        # What it has acknowledged and not written yet is the broker's to lose: this is about what we do.
        assert broker.process is not None
        broker.process.send_signal(signal.SIGUSR1)
        time.sleep(0.05)
        broker.process.terminate()
        broker.process.wait()
        broker.start()
    feeding.join()
    wait_until(lambda: len(set(subscriber.ids())) == count, "all have arrived")
    post.close()
    assert without_repeats(subscriber.ids()) == list(range(1, count + 1))


def test_a_device_that_is_killed_is_told_offline_by_its_last_will(
    tmp_path: Path, broker: Broker, subscriber: Subscriber
) -> None:
    write_echo(tmp_path / "models", "echo")
    config = tmp_path / "config.toml"
    config.write_text(
        f'device_name = "d"\n[[event]]\nname = "plc"\nsender = "mqtt"\nhost = "127.0.0.1"\nport = {broker.port}\n'
    )
    with running_daemon(tmp_path, "--config", str(config)) as daemon:
        daemon.stub.start("echo")
        for brightness in (10, 200, 30):
            daemon.stub("DetectAnomalies", bytes_request("echo", picture(brightness)))
        wait_until(lambda: len(subscriber.ids()) == 3, "the verdicts are there")
        assert subscriber.ids() == sorted(subscriber.ids())
        available = "edge-agent/d/available"
        import psutil

        for child in psutil.Process(daemon.process.pid).children():
            with contextlib.suppress(psutil.Error):  # another may just have ended
                if "edge_agent.records.process" in child.cmdline():
                    child.kill()

        def said() -> list[bytes]:
            return [payload for topic, payload, _ in list(subscriber.messages) if topic == available]

        # Between them events may come again that nobody had acknowledged.
        wait_until(lambda: b"offline" in said(), "the last will")
        wait_until(lambda: said()[-1] == b"online", "it is back")


def test_a_broker_that_is_away_gets_what_waited_for_it(tmp_path: Path, broker: Broker, subscriber: Subscriber) -> None:
    broker.save()
    broker.kill()
    post = post_to(tmp_path, broker.port, most=50)
    for number in range(1, 101):
        post.take([record(number)])
    wait_until(lambda: "refused" in line_states(tmp_path)[0].problem, "it says why")
    state = line_states(tmp_path)[0]
    assert (state.waiting, state.dropped) == (50, 50)
    broker.start()
    wait_until(lambda: len(set(subscriber.ids())) == 50, "what waited has arrived")
    wait_until(lambda: not line_states(tmp_path)[0].problem, "all is well")
    post.close()
    assert without_repeats(subscriber.ids()) == list(range(51, 101))


def test_a_broker_that_does_not_answer_is_given_up_and_tried_again(tmp_path: Path, broker: Broker) -> None:
    assert broker.process is not None
    broker.process.send_signal(signal.SIGSTOP)
    post = post_to(tmp_path, broker.port, seconds=0.5)
    post.take([record(1)])
    wait_until(lambda: line_states(tmp_path)[0].problem, "it says that there is no answer")
    broker.process.send_signal(signal.SIGCONT)
    wait_until(lambda: not line_states(tmp_path)[0].waiting, "it is taken in the end")
    post.close()


@pytest.mark.parametrize("version", ["5", "3.1.1"])
def test_a_broker_that_takes_one_at_a_time_and_keeps_few_gets_all_in_order(tmp_path: Path, version: str) -> None:
    """Three models and another sender that hangs; the broker's limits are as small as can be."""
    folder = tmp_path / "broker"
    folder.mkdir()
    broker = Broker(folder, "max_inflight_messages 1", "max_packet_size 2000", "memory_limit 20000000")
    listening = Subscriber(broker.port)
    try:
        with socket.socket() as silent:
            silent.bind(("127.0.0.1", 0))
            silent.listen()
            tables: list[dict[str, Any]] = [
                {"name": "plc", "sender": "mqtt", "host": "127.0.0.1", "port": broker.port, "version": version},
                {"name": "mes", "sender": "webhook", "url": f"http://127.0.0.1:{silent.getsockname()[1]}/"},
            ]
            post = Post(tmp_path, parse_events(tables), "d")
            for number in range(0, 300, 60):
                post.take([record(number + offset, model=f"press-{'abc'[offset % 3]}") for offset in range(60)])
            wait_until(
                lambda: all(len(set(listening.ids(f"edge-agent/d/press-{model}"))) == 100 for model in "abc"),
                "all have arrived",
            )
            states = {state.rule: state.waiting for state in line_states(tmp_path)}
            assert states["mes"] == 300
        post.close()
        for model in "abc":
            ids = without_repeats(listening.ids(f"edge-agent/d/press-{model}"))
            assert ids == sorted(ids) and len(ids) == 100
    finally:
        listening.close()
        broker.kill()


def test_a_broker_that_refuses_what_is_published_is_told_of_and_nothing_is_lost(tmp_path: Path) -> None:
    """With MQTT 5 a broker can say that an event was not taken: here it may not be published there."""
    folder = tmp_path / "broker"
    folder.mkdir()
    access = folder / "access"
    access.write_text("topic read #\ntopic write edge-agent/d/available\n")
    # Without a limit mosquitto 2.0.11 ends the connection instead of saying so.
    broker = Broker(folder, f"acl_file {access}", "max_queued_messages 1000")
    listening = Subscriber(broker.port)
    try:
        post = post_to(tmp_path, broker.port)
        post.take([record(number) for number in (1, 2, 3)])
        wait_until(lambda: "Not authorized" in line_states(tmp_path)[0].problem, "it says why")
        assert line_states(tmp_path)[0].waiting == 3
        access.write_text("topic readwrite #\n")
        assert broker.process is not None
        broker.process.send_signal(signal.SIGHUP)
        wait_until(lambda: len(set(listening.ids())) == 3, "they are there")
        wait_until(lambda: not line_states(tmp_path)[0].waiting, "they are taken out")
        post.close()
        assert without_repeats(listening.ids()) == [1, 2, 3]
    finally:
        listening.close()
        broker.kill()


def test_a_broker_whose_disk_is_full_takes_events_and_none_is_lost_here(tmp_path: Path) -> None:
    folder = tmp_path / "broker"
    folder.mkdir()
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", folder], check=False)
    if os.getuid() != 0 or mounted.returncode != 0:
        pytest.skip("only root may mount a small file system")
    try:
        broker = Broker(folder)
        listening = Subscriber(broker.port)
        with contextlib.suppress(OSError), (folder / "filling").open("wb", buffering=0) as filling:
            while True:
                filling.write(bytes(4096))
        post = post_to(tmp_path, broker.port)
        for number in range(1, 301):
            post.take([record(number)])
        wait_until(lambda: len(set(listening.ids())) == 300, "all have arrived")
        wait_until(lambda: not line_states(tmp_path)[0].waiting, "all are taken out")
        post.close()
        assert without_repeats(listening.ids()) == list(range(1, 301))
        listening.close()
        broker.kill()
    finally:
        subprocess.run(["umount", "--lazy", folder], check=True)
