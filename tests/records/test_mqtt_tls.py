"""MQTT over TLS with a real broker: certificates, users, and who is refused."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from edge_agent.records.events.outbox import line_states
from tests.support.daemon import wait_until
from tests.support.mosquitto import WITH_MOSQUITTO, Broker, make_impatient, post_to
from tests.support.records import record

pytestmark = WITH_MOSQUITTO


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    make_impatient(monkeypatch)


def _certificates(folder: Path) -> None:
    def openssl(*arguments: str) -> None:
        subprocess.run(["openssl", *arguments], cwd=folder, check=True, capture_output=True)

    openssl("req", "-x509", "-newkey", "rsa:2048", "-nodes", "-keyout", "ca.key", "-out", "ca.pem", "-days", "2",
            "-subj", "/CN=test authority")  # fmt: skip
    for name in ("server", "client"):
        openssl("req", "-newkey", "rsa:2048", "-nodes", "-keyout", f"{name}.key", "-out", f"{name}.csr", "-subj",
                f"/CN={name}")  # fmt: skip
        (folder / "extension").write_text("subjectAltName=IP:127.0.0.1\n")
        openssl("x509", "-req", "-in", f"{name}.csr", "-CA", "ca.pem", "-CAkey", "ca.key", "-CAcreateserial", "-out",
                f"{name}.pem", "-days", "2", "-extfile", "extension")  # fmt: skip


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")  # as below
def test_a_certificate_that_has_expired_is_refused(tmp_path: Path) -> None:
    folder = tmp_path / "broker"
    folder.mkdir()
    _certificates(folder)
    subprocess.run(
        ["openssl", "x509", "-req", "-in", "server.csr", "-CA", "ca.pem", "-CAkey", "ca.key", "-CAcreateserial", "-out",
         "server.pem", "-days", "-1", "-extfile", "extension"], cwd=folder, check=True, capture_output=True,
    )  # fmt: skip
    broker = Broker(folder, f"cafile {folder}/ca.pem", f"certfile {folder}/server.pem", f"keyfile {folder}/server.key")
    try:
        post = post_to(tmp_path, broker.port, tls=True, ca_file=f"{folder}/ca.pem")
        post.take([record(1)])
        wait_until(lambda: "expired" in line_states(tmp_path)[0].problem, "it says that it has expired")
        post.close()
        assert line_states(tmp_path)[0].waiting == 1
    finally:
        broker.kill()


# Paho leaves the socket of a handshake that failed to the garbage collection.
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_tls_with_a_clients_certificate_and_a_user(tmp_path: Path) -> None:
    folder = tmp_path / "broker"
    folder.mkdir()
    _certificates(folder)
    passwords = folder / "passwords"
    subprocess.run(["mosquitto_passwd", "-b", "-c", passwords, "line", "secret"], check=True, capture_output=True)
    broker = Broker(
        folder, f"cafile {folder}/ca.pem", f"certfile {folder}/server.pem", f"keyfile {folder}/server.key",
        "require_certificate true", f"password_file {passwords}",
    )  # fmt: skip
    broker.config.write_text(broker.config.read_text().replace("allow_anonymous true", "allow_anonymous false"))
    broker.kill()
    broker.start()
    try:
        password = tmp_path / "password"
        password.write_text("wrong\n")
        post = post_to(
            tmp_path, broker.port, tls=True, ca_file=f"{folder}/ca.pem", cert_file=f"{folder}/client.pem",
            key_file=f"{folder}/client.key", user="line", password_file=str(password),
        )  # fmt: skip
        post.take([record(1)])
        wait_until(lambda: "refused the connection" in line_states(tmp_path)[0].problem, "it says that it was refused")
        password.write_text("secret\n")
        wait_until(lambda: not line_states(tmp_path)[0].waiting, "it is taken")
        post.close()
        nameless = tmp_path / "nameless"
        post = post_to(
            nameless, broker.port, tls=True, ca_file=f"{folder}/ca.pem", user="line", password_file=str(password)
        )
        wait_until(
            lambda: "does it want a certificate of this device" in line_states(nameless)[0].problem,
            "it says what is missing",
        )
        post.close()
        strangers = tmp_path / "strangers"
        post = post_to(strangers, broker.port, tls=True, user="line", password_file=str(password))
        post.take([record(1)])
        wait_until(
            lambda: "certificate" in line_states(strangers)[0].problem.lower(), "an unknown authority is refused"
        )
        post.close()
    finally:
        broker.kill()
