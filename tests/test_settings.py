"""Settings: flags are stronger than variables, variables than the file, and a mistake is named with its origin."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from edge_agent.errors import SettingsError
from edge_agent.settings import DEFAULT_SOCKET, Settings, load_settings, parse_pins, shown_settings

NOTHING: dict[str, str] = {}


def test_defaults_are_where_existing_clients_look() -> None:
    settings = load_settings({}, environ=NOTHING)
    assert settings.socket == DEFAULT_SOCKET == "unix:///tmp/aws.iot.lookoutvision.EdgeAgent.sock"
    assert settings.socket_path == Path("/tmp/aws.iot.lookoutvision.EdgeAgent.sock")
    assert settings.model_dirs == [Path(settings.state_dir) / "models"]


def test_the_order_of_strength(tmp_path: Path) -> None:
    config = tmp_path / "c.toml"
    config.write_text('queue_size = 1\nthreads = 1\ninstances = 1\nmodel_dir = ["/a", "/b"]\n[pin]\nx = "1.0.0"\n')
    environ = {"EDGE_AGENT_QUEUE_SIZE": "2", "EDGE_AGENT_THREADS": "2", "EDGE_AGENT_CONFIG": str(config), "OTHER": "x"}
    settings = load_settings({"queue_size": 3}, environ=environ)
    assert (settings.queue_size, settings.threads, settings.instances) == (3, 2, 1)
    assert settings.model_dirs == [Path("/a"), Path("/b")]
    assert settings.pin == {"x": "1.0.0"}


def test_lists_in_variables() -> None:
    environ = {"EDGE_AGENT_MODEL_DIR": "/a:/b", "EDGE_AGENT_PIN": "x=1.0.0,y=2.0.0"}
    environ |= {"EDGE_AGENT_TRUSTED_KEY": "/a.pem:/keys", "EDGE_AGENT_REQUIRE_SIGNATURE": "true"}
    settings = load_settings({}, environ=environ)
    assert (settings.trusted_key, settings.require_signature) == (("/a.pem", "/keys"), True)
    assert settings.model_dir == ("/a", "/b")
    assert settings.pin == {"x": "1.0.0", "y": "2.0.0"}


@pytest.mark.parametrize(
    ("flags", "environ", "file", "said"),
    [
        ({"queue_size": -1}, {}, "", "in the command line: Expected 'int' >= 0 at setting 'queue_size'"),
        ({}, {"EDGE_AGENT_THREADS": "many"}, "", "in the environment: Expected 'int', got 'str' at setting 'threads'"),
        ({}, {}, "queue_sizes = 3", "c.toml: Object contains unknown field 'queue_sizes'"),
        ({}, {}, "queue_size = ", "c.toml is not valid TOML"),
        ({"socket": "localhost:50051"}, {}, "", "socket 'localhost:50051' is not an address such as unix:///tmp/"),
        ({"socket": "unix:relative.sock"}, {}, "", "is not an address such as"),
        ({"socket": "unix:///" + "x" * 120}, {}, "", "has 121 bytes, expected at most 107"),
        ({"socket_mode": "rw"}, {}, "", "at setting 'socket_mode'"),
        ({"engine": "magic"}, {}, "", "Invalid enum value 'magic' at setting 'engine'"),
        ({"log_level": "loud"}, {}, "", "at setting 'log_level', expected one of debug, info, warning, error"),
    ],
)
def test_a_mistake_is_named(
    tmp_path: Path, flags: dict[str, object], environ: dict[str, str], file: str, said: str
) -> None:
    config = tmp_path / "c.toml"
    config.write_text(file)
    with pytest.raises(SettingsError) as refused:
        load_settings(flags, config=config, environ=environ)
    assert said in str(refused.value)
    assert "\n" not in str(refused.value)


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="can't be read: No such file"):
        load_settings({}, config=tmp_path / "none.toml", environ=NOTHING)


@pytest.mark.parametrize("pin", ["x", "x=", "=1.0.0"])
def test_pins_are_pairs(pin: str) -> None:
    with pytest.raises(SettingsError, match="is not NAME=VERSION"):
        parse_pins([pin])


def test_every_setting_has_a_sentence() -> None:
    from typing import get_args, get_type_hints

    hints = get_type_hints(Settings, include_extras=True)
    assert all(get_args(hints[field])[1].description for field in Settings.__struct_fields__)


class _WithSecrets(Settings, frozen=True, kw_only=True):
    mqtt_password: str = ""
    upload_token: str = ""


def test_a_secret_is_not_handed_on() -> None:
    shown = shown_settings(_WithSecrets(metrics="127.0.0.1:9464", mqtt_password="hunter2"))
    assert shown["metrics"] == "127.0.0.1:9464"
    assert shown["mqtt_password"] == "(not shown)"
    assert shown["upload_token"] == ""


@pytest.mark.parametrize("address", ["9464", "localhost", "127.0.0.1:", "127.0.0.1:70000", "::1:9464", "unix:m.sock"])
def test_an_address_for_metrics_that_is_none_is_named(address: str) -> None:
    with pytest.raises(SettingsError, match=re.escape(address)):
        load_settings({"metrics": address}, environ={})
