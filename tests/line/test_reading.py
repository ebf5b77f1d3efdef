"""line.toml: what is right is read, and every mistake is named at once."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from edge_agent.errors import SettingsError
from edge_agent.inference.decision import Rule
from edge_agent.line.reading import read_line, read_outputs
from edge_agent.line.tables.models import Model
from edge_agent.line.tables.sources import Folder
from edge_agent.line.tables.steps import Crop, Resize

DOCS = Path(__file__).parents[2] / "docs" / "line.md"


def _write(folder: Path, text: str) -> Path:
    path = folder / "line.toml"
    path.write_text(text)
    return path


def test_a_whole_file(tmp_path: Path) -> None:
    line = read_line(
        _write(
            tmp_path,
            f"""
name = "flange"
cycle_ms = 250
[source]
kind = "folder"
path = "{tmp_path}"
after = "delete"
[model]
name = "flange"
[[step]]
do = "crop"
x = 1
y = 2
width = 30
height = 40
[[step]]
do = "resize"
width = 64
height = 64
[[rule]]
confidence = 0.8
[[rule]]
outcome = "look"
[[pin]]
on = "reject"
path = "{tmp_path}/pin"
pulse_ms = 20
[[event]]
name = "mes"
sender = "file"
path = "{tmp_path}/events"
""",
        )
    )
    assert line.source == Folder(kind="folder", path=str(tmp_path), after="delete")
    assert line.step == (Crop(do="crop", x=1, y=2, width=30, height=40), Resize(do="resize", width=64, height=64))
    assert line.model == (Model(name="flange"),)
    assert line.rule == (Rule(confidence=0.8), Rule(outcome="look"))
    assert (line.cycle, line.pin[0].pulse_ms, line.pin[0].safe) == (0.25, 20, 0)


def test_every_mistake_is_named_at_once(tmp_path: Path) -> None:
    path = _write(
        tmp_path,
        f"""
name = "a b"
cycle = 5
socket = "tcp:1"
[source]
kind = "folder"
path = "{tmp_path}/none"
afer = "delete"
[model]
[[step]]
do = "turn"
[[step]]
do = "crop"
x = -1
y = 0
width = 10
[[rule]]
confidence = 80
label = "scratch"
[[pin]]
on = "reject"
[[event]]
name = "mes"
sender = "carrier-pigeon"
""",
    )
    with pytest.raises(SettingsError) as caught:
        read_line(path)
    lines = str(caught.value).splitlines()
    assert all(line.startswith(f"{path}: ") for line in lines)
    text = "\n".join(line.removeprefix(f"{path}: ") for line in lines)
    for expected in (
        "cycle is not a key; did you mean cycle_ms?",
        "name is 'a b', expected 1 to 64 letters, digits",
        "socket 'tcp:1' is not an address",
        "source.afer is not a key; did you mean after?",
        f"source.path is '{tmp_path}/none', expected a folder that is there",
        "model.name is missing",
        "step 1: do is 'turn', expected one of rotate, flip, crop, mask, resize, find",
        "step 2: x is -1: Expected `int` >= 0",
        "step 2: height is missing",
        "rule 1: confidence is 80: Expected `float` <= 1.0",
        "pin 1: expected either chip and line, or path",
        "event 'mes': sender is 'carrier-pigeon'",
    ):
        assert expected.replace("`", "'") in text, text
    assert len(lines) == 12, text


def _mistakes(tmp_path: Path, tables: str) -> str:
    with pytest.raises(SettingsError) as caught:
        read_line(_write(tmp_path, f'name = "flange"\n[model]\nname = "flange"\n{tables}'))
    return str(caught.value).replace(f"{tmp_path / 'line.toml'}: ", "")


@pytest.mark.parametrize(
    ("tables", "said"),
    [
        (
            '[source]\nkind = "http"\nport = 8080\nhost = "0.0.0.0"',
            "source: host is '0.0.0.0', which others can reach: expected a token_file with a word",
        ),
        (
            '[source]\nkind = "http"\nport = 8080\n[trigger]\nkind = "interval"\ninterval_ms = 5',
            "trigger: each picture of 'http' is a part by itself, so expected none, or one of video,",
        ),
        (
            '[source]\nkind = "video"\naddress = "0"\n[trigger]\nkind = "button"',
            "trigger.kind is 'button', expected one of frame, interval, input, mqtt, http, command",
        ),
        (
            '[source]\nkind = "video"\naddress = "0"\ninterval_ms = 5\n[trigger]\nkind = "command"',
            "source.interval_ms: expected none with a trigger",
        ),
        (
            '[source]\nkind = "segment"\nname = "/a"\npixels = {format = "Mono8", width = 4, height = 4}',
            "source: a segment without counter_at does not say when a picture is new, expected a trigger",
        ),
        (
            '[source]\nkind = "mqtt"\nhost = "h"\ntopic = "t"\npixels = {format = "Mono9", width = 4, height = 4}',
            "source.pixels is {'format': 'Mono9', 'width': 4, 'height': 4}: format is 'Mono9', expected one of Mono8",
        ),
        ("[[step]]\ndo = 'find'\ntemplate = '/none.png'", "step 1: /none.png can't be read: No such file"),
        ("[tiles]", "tiles is not a key"),
        ('[source]\nkind = "mqtt"\nhost = "h"\ntopic = "t"\nca_file = "/a"', "need tls = true"),
    ],
)
def test_tables_that_do_not_go_together(tmp_path: Path, tables: str, said: str) -> None:
    assert said in _mistakes(tmp_path, tables)


@pytest.mark.parametrize(
    ("pins", "said"),
    [
        ('path = "{0}/a"\n[[pin]]\non = "able"\npath = "{0}/a"', "pin 2: it is the same output as pin 1"),
        ('chip = "/dev/c"\nline = 3\n[[pin]]\non = "able"\nchip = "/dev/c"\nline = 3', "pin 2: it is the same output"),
        ('path = "{0}/none/a"', "pin 1: path is '.*', expected one in a folder that is there"),
    ],
)
def test_pins_that_can_not_be_set(tmp_path: Path, pins: str, said: str) -> None:
    text = f'name = "a"\n[source]\nkind = "http"\nport = 80\n[model]\nname = "a"\n[[pin]]\non = "reject"\n{pins}\n'
    with pytest.raises(SettingsError, match=said):
        read_line(_write(tmp_path, text.replace("{0}", str(tmp_path))))


def test_pins_are_read_whatever_else_is_wrong(tmp_path: Path) -> None:
    path = _write(tmp_path, 'name = ".."\n[[pin]]\non = "able"\npath = "/a"\n[[pin]]\non = "no"\n')
    pins, mistakes = read_outputs(path)
    assert [(pin.on, pin.path) for pin in pins] == [("able", "/a")]
    assert [mistake.startswith(f"{path}: pin 2: ") for mistake in mistakes] == [True]
    with pytest.raises(SettingsError, match=r"expected 1 to 64 letters.*the first a letter or a digit"):
        read_line(path)


def test_what_is_no_file_and_no_toml(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="can't be read: No such file"):
        read_line(tmp_path / "none.toml")
    with pytest.raises(SettingsError, match="not valid TOML"):
        read_line(_write(tmp_path, "name = "))
    with pytest.raises(SettingsError, match=r"name is missing(.|\n)*source is missing(.|\n)*model is missing"):
        read_line(_write(tmp_path, ""))
    with pytest.raises(SettingsError, match=r"rule: expected \[\[rule\]\] tables"):
        read_line(_write(tmp_path, "rule = 3"))


def test_the_page_s_example_is_right(tmp_path: Path) -> None:
    found = re.search(r"```toml\n(.*?)```", DOCS.read_text(), re.DOTALL)
    assert found
    read_line(_write(tmp_path, found[1].replace("/tmp/flange/in", str(tmp_path)).replace("/tmp/flange", str(tmp_path))))
