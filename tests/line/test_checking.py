"""Each mistake of a line's text is told with the line that it is in."""

from __future__ import annotations

import pytest

from edge_agent.line.checking import check_text

TEXT = '''\
# a line
name = "flange"
cycle = 5
socket = "tcp:1"
device_name = """
[pin]
path = 1"""
[source]   # pictures
kind = "folder"
path = "in"
after = [
  "move",
]
to = "/x"
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
[[pin]]
on = "reject"
[[pin]]
on = "late"
path = "/tmp/x"
delay_pulses = 3
[[event]]
name = "mes"
sender = "file"
path = "/tmp/e"
[[event]]
name = "mes"
sender = "pigeon"
'''


def test_mistakes_have_lines() -> None:
    lines = TEXT.splitlines()
    found = [(lines[mistake.line - 1] if mistake.line else "", mistake.text) for mistake in check_text(TEXT)]
    expected = [
        ("cycle = 5", "cycle is not a key; did you mean cycle_ms?"),
        ('socket = "tcp:1"', "socket 'tcp:1' is not an address"),
        ('device_name = """', "device_name is '[pin]\\npath = 1': Expected 'str' matching regex"),
        ('path = "in"', "source.path is 'in', expected one that begins with /"),
        ("after = [", "source.after is ['move'], expected one of move, delete, keep"),
        ("[model]", "model.name is missing"),
        ('do = "turn"', "step 1: do is 'turn', expected one of"),
        ("[[step]]", "step 2: height is missing"),
        ("x = -1", "step 2: x is -1: Expected 'int' >= 0"),
        ("confidence = 80", "rule 1: confidence is 80"),
        ("[[pin]]", "pin 1: expected either chip and line, or path"),
        ('on = "late"', "pin 2: on is 'late', expected one of pass, reject, look, failed, early, able"),
        ("delay_pulses = 3", "pin: delay_pulses needs a table [encoder]"),
        ("[[event]]", "event 'mes': there are two of that name"),
        ('sender = "pigeon"', "event 'mes': sender is 'pigeon', expected one of"),
    ]
    assert len(found) == len(expected), found
    for (line, text), (expected_line, begins) in zip(found, expected, strict=True):
        assert (line, text[: len(begins)]) == (expected_line, begins)
    assert check_text(TEXT)[13].line > TEXT[: TEXT.index('name = "mes"')].count("\n") + 1, "the second one is too many"


def test_what_is_no_toml_and_tables_in_other_forms() -> None:
    assert [(m.line, m.text) for m in check_text('name = "x"\nsource = \n')] == [
        (2, "this is not valid TOML: Invalid value")
    ]
    assert check_text("a = [\n1,\n")[0].line == 3
    assert [m.line for m in check_text("")] == [0, 0, 0]
    inline = 'name = "x"\nsource = {kind = "folder", path = "in"}\nmodel.name = 3\n'
    assert [m.line for m in check_text(inline)] == [2, 3]


@pytest.mark.parametrize(
    "text", ["step = 1", "[[step]]\ndo = []", "source = {kind = {}}", "event = [1]", "pin = [[]]", "model = [[1]]",
             "[a.b.c]\n[[a.d]]", '"a b" = 1', "trigger = []", "encoder = 1\njoin = {}", "name = 1979-05-27"],
)  # fmt: skip
def test_whatever_is_written_is_a_mistake_and_no_defect(text: str) -> None:
    assert check_text(text)
