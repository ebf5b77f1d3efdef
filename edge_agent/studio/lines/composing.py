"""From a form to the text of a line's file, with comments: where most lines begin. What the form does not know stays
to be written by hand."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Literal

import msgspec

from edge_agent.settings import DEFAULT_SOCKET

_COMMENT_AT = 29
_Value = str | int | float | bool | dict[str, str | int]


class NewLine(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What the form asks. Texts are "" and numbers null where nothing was said."""

    name: str = ""
    cycle_ms: float = 1000
    source: Literal["folder", "video", "gstreamer", "genicam", "segment", "http", "mqtt"] = "folder"
    #: of the source: a folder, an address, a pipeline, a producer, a segment, or a broker's host
    place: str = ""
    after: Literal["move", "delete", "keep"] = "move"
    port: int | None = None
    topic: str = ""
    #: how raw pixels of a segment lie
    pixels: str = "Mono8"
    width: int | None = None
    height: int | None = None
    #: "": every frame, or each picture, is a part
    trigger: Literal["", "interval", "input", "mqtt", "http", "command"] = ""
    interval_ms: float | None = None
    trigger_chip: str = ""
    trigger_line: str = ""
    trigger_host: str = ""
    trigger_topic: str = ""
    trigger_port: int | None = None
    delay_ms: float | None = None
    model: str = ""
    #: a person looks at parts that are less sure than this
    look_below: float | None = 0.6
    #: anomalous parts are rejected from this confidence on, or when more than this share is covered; null: always
    reject_from: float | None = None
    reject_coverage: float | None = None
    label: str = ""
    #: what becomes of anomalous parts that no rule rejects
    otherwise: Literal["pass", "look"] = "look"
    #: a file or a GPIO chip for parts that are rejected, and for whether the line can inspect
    pin: Literal["", "file", "chip"] = ""
    reject_pin: str = ""
    reject_line: str = ""
    able_pin: str = ""
    able_line: str = ""
    pulse_ms: float | None = None
    #: events: a file, a broker, and an address that takes them by POST
    events_file: str = ""
    events_host: str = ""
    events_topic: str = ""
    events_url: str = ""


def compose(wanted: NewLine, socket: str = DEFAULT_SOCKET) -> str:
    """Write the text of a line's file. It may have mistakes where the form was left empty: they are shown."""
    tables = [_head(wanted, socket), _source(wanted)]
    if wanted.trigger and wanted.source not in ("folder", "http", "mqtt"):
        tables.append(_trigger(wanted))
    tables += [["[model]", _pair("name", wanted.model)], *_rules(wanted), *_pins(wanted), *_events(wanted)]
    return "\n\n".join("\n".join(lines) for lines in tables) + "\n"


def _head(wanted: NewLine, socket: str) -> list[str]:
    lines = [
        "# A line of edge-agent; docs/line.md explains every key.",
        _pair("name", wanted.name),
        _pair("cycle_ms", wanted.cycle_ms, "a part has to be decided within this time"),
    ]
    lines.append(_pair("show_picture", value=True, note="the last part's, on the studio's pages"))
    return [*lines, *([_pair("socket", socket)] if socket != DEFAULT_SOCKET else [])]


def _source(wanted: NewLine) -> list[str]:
    lines = [_noted("[source]", "where pictures come from"), _pair("kind", wanted.source)]
    if wanted.source == "folder":
        lines += [
            _pair("path", wanted.place),
            _pair("after", wanted.after, "what becomes of a file whose part is decided"),
        ]
    elif wanted.source == "segment":
        raw: dict[str, str | int] = {"format": wanted.pixels, "width": wanted.width or 0, "height": wanted.height or 0}
        lines += [_pair("name", wanted.place), _pair("pixels", raw)]
    elif wanted.source == "http":
        lines += [_pair("port", wanted.port or 0, "pictures are sent here by POST, from this device")]
    elif wanted.source == "mqtt":
        lines += [_pair("host", wanted.place), _pair("topic", wanted.topic)]
    else:
        key = {"video": "address", "gstreamer": "pipeline", "genicam": "producer"}[wanted.source]
        lines.append(_pair(key, wanted.place))
    return lines


def _trigger(wanted: NewLine) -> list[str]:
    lines = [_noted("[trigger]", "which frames are parts"), _pair("kind", wanted.trigger)]
    if wanted.trigger == "interval":
        return [*lines, _pair("interval_ms", wanted.interval_ms or 0)]
    if wanted.trigger == "input":
        lines += [_pair("chip", wanted.trigger_chip), _pair("line", _line_of_chip(wanted.trigger_line))]
    elif wanted.trigger == "mqtt":
        lines += [_pair("host", wanted.trigger_host), _pair("topic", wanted.trigger_topic)]
    elif wanted.trigger == "http":
        lines.append(_pair("port", wanted.trigger_port or 0))
    if wanted.delay_ms:
        lines.append(_pair("delay_ms", wanted.delay_ms, "from the trigger to the picture"))
    return lines


def _rules(wanted: NewLine) -> Iterator[list[str]]:
    if wanted.look_below is not None:
        yield [
            _noted("[[rule]]", "a person looks at what is not sure"),
            _pair("verdict", "any"),
            _pair("confidence_below", wanted.look_below),
            _pair("outcome", "look"),
        ]
    conditions = []
    if wanted.reject_from is not None:
        conditions.append(_pair("confidence", wanted.reject_from))
    if wanted.reject_coverage is not None:
        conditions.append(_pair("coverage", wanted.reject_coverage, "more than this share of the picture is marked"))
        conditions += [_pair("label", wanted.label)] if wanted.label else []
    yield [_noted("[[rule]]", "anomalous parts"), *conditions, _pair("outcome", "reject")]
    if conditions and wanted.otherwise == "look":
        yield [_noted("[[rule]]", "anomalous parts that are not rejected"), _pair("outcome", "look")]


def _pins(wanted: NewLine) -> Iterator[list[str]]:
    if not wanted.pin:
        return
    wired = (
        ("able", wanted.able_pin, wanted.able_line, "falls when the line can't inspect"),
        ("reject", wanted.reject_pin, wanted.reject_line, "1 while the line can't inspect, too"),
    )
    for on, place, line, note in wired:
        if not place:
            continue
        lines = [_noted("[[pin]]", note), _pair("on", on)]
        if wanted.pin == "chip":
            lines += [_pair("chip", place), _pair("line", _line_of_chip(line))]
        else:
            lines.append(_pair("path", place))
        if on == "reject":
            lines += [_pair("pulse_ms", wanted.pulse_ms)] if wanted.pulse_ms else []
            lines.append(_pair("safe", 1))
        yield lines


def _events(wanted: NewLine) -> Iterator[list[str]]:
    told = _pair("notices", value=True, note="also when the line can't inspect")
    if wanted.events_file:
        yield ["[[event]]", _pair("name", "file"), _pair("sender", "file"), _pair("path", wanted.events_file), told]
    if wanted.events_host:
        topic = [_pair("topic", wanted.events_topic)] if wanted.events_topic else []
        yield [
            "[[event]]", _pair("name", "mqtt"), _pair("sender", "mqtt"), _pair("host", wanted.events_host), *topic, told
        ]  # fmt: skip
    if wanted.events_url:
        yield ["[[event]]", _pair("name", "http"), _pair("sender", "webhook"), _pair("url", wanted.events_url), told]


def _line_of_chip(text: str) -> str | int:
    return int(text) if text.isascii() and text.isdecimal() else text


def _pair(key: str, value: _Value, note: str = "") -> str:
    if isinstance(value, dict):
        said = "{" + ", ".join(_pair(name, each) for name, each in value.items()) + "}"
    elif isinstance(value, str):
        # A string of JSON is one of TOML, but for the one control character that JSON lets through.
        said = json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")
    elif isinstance(value, bool):
        said = "true" if value else "false"
    else:
        said = repr(int(value)) if isinstance(value, float) and value.is_integer() else repr(value)
    return _noted(f"{key} = {said}", note)


def _noted(text: str, note: str) -> str:
    return f"{text.ljust(_COMMENT_AT - 1)} # {note}" if note else text
