"""Reading line.toml: every mistake at once, each with its key and what was expected."""

from __future__ import annotations

import difflib
import sys
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, Literal, get_args, get_origin, get_type_hints

import msgspec

from edge_agent.access.rights import describe_refusal
from edge_agent.errors import InvalidRequest, SettingsError
from edge_agent.hardware.digital_output import MISSING, missing
from edge_agent.hardware.library import is_installed
from edge_agent.inference.decision import Rule
from edge_agent.line.tables.models import Model
from edge_agent.line.tables.outputs import Encoder, Pin
from edge_agent.line.tables.sources import SOURCES, Folder, Frames
from edge_agent.line.tables.whole import CHOICES, LINE_NAME, Line
from edge_agent.records.events.rules import parse_events
from edge_agent.settings import check_address, check_metrics_address

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

NotToml = tomllib.TOMLDecodeError
_PLAIN: dict[str, type[msgspec.Struct]] = {"model": Model, "rule": Rule, "pin": Pin, "encoder": Encoder}
_SEVERAL = ("model", "step", "rule", "pin", "event")


def read_line(path: Path) -> Line:
    """Read and check a line's file. `[model]` is the same as one `[[model]]`.

    Raises:
        SettingsError: it can't be read, or has mistakes: a line of text for each.
    """
    try:
        values = values_of(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise SettingsError(f"{path} can't be read: {describe_refusal(error, path)}") from None
    except (NotToml, UnicodeDecodeError) as error:
        raise SettingsError(f"{path} is not valid TOML: {error}") from None
    mistakes = list(mistakes_in(values))
    if mistakes:
        raise SettingsError(*(f"{path}: {mistake}" for mistake in mistakes))
    return _build(values)


def read_outputs(path: Path) -> tuple[tuple[Pin, ...], list[str]]:
    """Read the pins of a line's file, whatever else is wrong in it, and say what is wrong with others of its pins.

    A line whose file was spoilt, or whose folder has gone, while it ran has to be made safe too.

    Raises:
        SettingsError: the file can't be read, or is no TOML.
    """
    try:
        tables = values_of(path.read_text(encoding="utf-8")).get("pin", [])
    except OSError as error:
        raise SettingsError(f"{path} can't be read: {describe_refusal(error, path)}") from None
    except (NotToml, UnicodeDecodeError) as error:
        raise SettingsError(f"{path} is not valid TOML: {error}") from None
    pins, mistakes = [], []
    for number, table in enumerate(_listed(tables), 1):
        try:
            pins.append(msgspec.convert(table, Pin))
        except msgspec.ValidationError as error:
            mistakes.append(f"{path}: pin {number}: {error}")
    return tuple(pins), mistakes


def values_of(text: str) -> dict[str, Any]:
    """Read the text of a line's file, without a look at what is in it; NotToml when that can't be done."""
    values: dict[str, Any] = tomllib.loads(text)
    if isinstance(values.get("model"), dict):
        values["model"] = [values["model"]]
    return values


def _build(values: Mapping[str, Any]) -> Line:
    made = dict(values)
    for name, (key, kinds) in CHOICES.items():
        if name in _SEVERAL:
            made[name] = tuple(msgspec.convert(table, kinds[table[key]]) for table in values.get(name, ()))
        elif name in values:
            made[name] = msgspec.convert(values[name], kinds[values[name][key]])
    for name, kind in _PLAIN.items():
        if name in _SEVERAL:
            made[name] = tuple(msgspec.convert(table, kind) for table in values.get(name, ()))
        else:
            made[name] = msgspec.convert(values[name], kind) if name in values else None
    made["event"] = tuple(values.get("event", ()))
    return Line(**made)


def mistakes_in(values: Mapping[str, Any]) -> Iterator[str]:
    """Name every mistake. A text begins with its place: KEY, TABLE.KEY, TABLE NUMBER: KEY or event 'NAME'."""
    tables = {*_PLAIN, *CHOICES, "event"}
    yield from _in_table(values, Line, "", leave=tables)
    yield from _in_address(values.get("socket"), check_address)
    yield from _in_address(values.get("metrics") or None, check_metrics_address)
    for name in sorted(tables & values.keys()):
        several = name in _SEVERAL
        found = values[name]
        if not isinstance(found, list if several else dict):
            yield f"{name}: expected {f'[[{name}]] tables' if several else f'a table [{name}]'}"
            continue
        for number, table in enumerate(found if several else [found], 1):
            is_one = not several or (name == "model" and len(found) == 1)
            where = f"{name}." if is_one else f"{name} {number}: "
            if not isinstance(table, dict):
                yield f"{where}expected a table"
            elif name != "event":
                yield from _in_choice(name, table, where)
                if table.get("do") == "find" and isinstance(table.get("template"), str):
                    yield from _in_template(table["template"], where)
    if isinstance(values.get("event"), list) and all(isinstance(table, dict) for table in values["event"]):
        yield from _in_events(values["event"])
    if values.get("model") == []:
        yield "model is missing"
    yield from _in_signals(values)
    source, trigger = values.get("source"), values.get("trigger")
    if isinstance(source, dict):
        yield from _in_source(source)
        yield from _together(source, trigger if isinstance(trigger, dict) else None)


def _in_signals(values: Mapping[str, Any]) -> Iterator[str]:
    """See whether what needs a chip, or the encoder, can have it."""
    has_chip = any(isinstance(pin, dict) and pin.get("chip") for pin in _listed(values.get("pin")))
    if has_chip and not is_installed("gpiod"):
        yield f"pin: {MISSING}"
    yield from _in_pins(_listed(values.get("pin")))
    counted = any(isinstance(pin, dict) and pin.get("delay_pulses") for pin in _listed(values.get("pin")))
    if counted and "encoder" not in values:
        yield "pin: delay_pulses needs a table [encoder] with the chip and the line of its input"
    if "encoder" in values and not is_installed("gpiod"):
        yield f"encoder: {missing('inputs')}"
    trigger = values.get("trigger")
    if isinstance(trigger, dict) and trigger.get("kind") == "input" and not is_installed("gpiod"):
        yield f"trigger: {missing('inputs')}"


def _in_pins(pins: list[object]) -> Iterator[str]:
    """See whether two pins are the same output, which each would set against the other, and files have a folder."""
    seen: dict[tuple[object, ...], int] = {}
    for number, pin in enumerate(pins, 1):
        if not isinstance(pin, dict):
            continue
        path = pin.get("path")
        if isinstance(path, str) and path.startswith("/") and not Path(path).parent.is_dir():
            yield f"pin {number}: path is '{path}', expected one in a folder that is there"
        output = ("path", str(path)) if path else (pin.get("chip"), str(pin.get("line", 0)))
        first = seen.setdefault(output, number)
        if first != number and (path or pin.get("chip")):
            yield f"pin {number}: it is the same output as pin {first}, expected another"


def _listed(value: object) -> list[object]:
    return value if isinstance(value, list) else []


def _in_choice(name: str, table: Mapping[str, Any], where: str) -> Iterator[str]:
    if name in _PLAIN:
        yield from _in_table(table, _PLAIN[name], where)
        return
    key, kinds = CHOICES[name]
    kind = table.get(key)
    if not isinstance(kind, str) or kind not in kinds:
        said = f"is {kind!r}" if key in table else "is missing"
        yield f"{where}{key} {said}, expected one of {', '.join(kinds)}"
        return
    yield from _in_table(table, kinds[kind], where)


def _in_table(
    values: Mapping[str, Any], kind: type[msgspec.Struct], where: str, leave: set[str] | None = None
) -> Iterator[str]:
    hints = get_type_hints(kind, include_extras=True)
    fields = {field.name: field for field in msgspec.structs.fields(kind)}
    before = True
    for key in values.keys() - fields.keys():
        near = difflib.get_close_matches(key, fields, 1)
        meant = f"; did you mean {near[0]}?" if near else f", expected one of {', '.join(fields)}"
        before = False
        yield f"{where}{key} is not a key{meant}"
    for name, field in fields.items():
        if name not in values:
            if field.required:
                before = False
                yield f"{where}{name} is missing"
        elif name not in (leave or ()):
            try:
                msgspec.convert(values[name], hints[name])
            except msgspec.ValidationError as error:
                before = False
                yield f"{where}{name} is {values[name]!r}{_expected(error, hints[name])}"
    if before and kind is not Line:  # each key by itself is right: do they go together?
        try:
            msgspec.convert(dict(values), kind)
        except msgspec.ValidationError as error:
            yield f"{where.rstrip(': .')}: {error}"


def _expected(error: msgspec.ValidationError, hint: object) -> str:
    """Say what was expected, where msgspec does not, or says it in a pattern."""
    if get_origin(hint) is Literal:
        return f", expected one of {', '.join(map(str, get_args(hint)))}"
    text = str(error).replace("`", "'")
    if LINE_NAME in text:
        return ", expected 1 to 64 letters, digits, '.', '_' or '-', the first a letter or a digit"
    return ", expected one that begins with /" if "matching regex '^/" in text else f": {text}"


def _in_address(address: object, check: Callable[[str], None]) -> Iterator[str]:
    try:
        if isinstance(address, str):
            check(address)
    except ValueError as error:
        yield str(error)


def _in_events(tables: list[dict[str, Any]]) -> Iterator[str]:
    right = True
    for number, table in enumerate(tables, 1):
        try:
            parse_events([table])
        except SettingsError as error:
            right = False
            yield str(error) if "name" in table else f"event {number}: {str(error).partition(': ')[2]}"
    names = [table.get("name") for table in tables]
    for name in sorted({str(name) for name in names if names.count(name) > 1}):
        right = False
        yield f"event '{name}': there are two of that name"
    if right:  # each by itself: do they go together?
        try:
            parse_events(tables)
        except SettingsError as error:
            yield str(error)


def _in_source(source: Mapping[str, Any]) -> Iterator[str]:
    kind = source.get("kind")
    if kind == "folder" and isinstance(source.get("path"), str):
        yield from _in_folder(source)
    elif kind == "gstreamer":
        from edge_agent.line.sources.gstreamer import MISSING as NO_GSTREAMER
        from edge_agent.line.sources.gstreamer import interpreter

        if not interpreter():
            yield f"source: {NO_GSTREAMER}"
    elif kind == "genicam" and not is_installed("harvesters"):
        from edge_agent.line.sources.genicam import MISSING as NO_HARVESTERS

        yield f"source: {NO_HARVESTERS}"


def _together(source: Mapping[str, Any], trigger: Mapping[str, Any] | None) -> Iterator[str]:
    """See whether a source and a trigger go together."""
    kind = source.get("kind")
    if trigger is not None and kind in SOURCES and not issubclass(SOURCES[kind], Frames):
        frames = ", ".join(name for name, table in SOURCES.items() if issubclass(table, Frames))
        yield f"trigger: each picture of '{kind}' is a part by itself, so expected none, or one of {frames}"
    if trigger is not None and source.get("interval_ms"):
        yield "source.interval_ms: expected none with a trigger, whose kind 'interval' says the same"
    is_clocked = trigger is None or trigger.get("kind") == "frame"
    if kind == "segment" and source.get("counter_at") is None and is_clocked:
        yield "source: a segment without counter_at does not say when a picture is new, expected a trigger"


def _in_template(path: str, where: str) -> Iterator[str]:
    from edge_agent.line.steps.find import read_template

    try:
        read_template(path)
    except InvalidRequest as error:
        yield f"{where}{error}"


def _in_folder(source: Mapping[str, Any]) -> Iterator[str]:
    path = Path(source["path"])
    if path.is_absolute() and not path.is_dir():
        yield f"source.path is '{path}', expected a folder that is there"
    if source.get("after", "move") == "keep" and source.get("to"):
        yield f"source.to is '{source['to']}', expected none with after = \"keep\""


def moved_to(source: Folder) -> Path:
    """Give the folder into which files are moved, one for each outcome."""
    return Path(source.to) if source.to else Path(source.path) / "done"
