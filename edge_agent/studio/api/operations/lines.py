"""The lines of this device: their files, trials, and starting and stopping them."""

from __future__ import annotations

import msgspec

from edge_agent.line.checking import Mistake, check_text
from edge_agent.studio.api.call import Call, File, Operation, Raw
from edge_agent.studio.lines.composing import NewLine, compose
from edge_agent.studio.lines.files import LineFile
from edge_agent.studio.lines.lines import LineState
from edge_agent.studio.lines.trials import Trial

_KEEP = {"cache-control": "private, max-age=3600, immutable"}


class AllLines(msgspec.Struct, frozen=True):
    """The lines, and the folder that their files are in."""

    folder: str
    lines: list[LineState]


class Text(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The text of a line's file."""

    text: str


class Checked(msgspec.Struct, frozen=True):
    """The mistakes of a text, and the text, which the form has made of what was asked."""

    text: str
    mistakes: list[Mistake]


class Written(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What a line's file is to hold, in place of what had that revision; "" for a line that is not yet there."""

    text: str
    revision: str = ""
    #: no line runs it, and it may have mistakes
    draft: bool = False


class Removed(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What is removed: what has that revision, all of it or only the draft."""

    revision: str
    draft: bool = False


class Begun(msgspec.Struct, frozen=True):
    """A trial that was begun."""

    trial: int


class Log(msgspec.Struct, frozen=True):
    """The end of what a line has said that this studio runs."""

    log: str


def _all(call: Call) -> AllLines:
    lines = call.parts.lines
    return AllLines(str(lines.files.folder), lines.all())


def _get(call: Call) -> LineState:
    return call.parts.lines.get(call.path["line"])


def _file(call: Call) -> LineFile:
    return call.parts.lines.files.read(call.path["line"])


def _write(call: Call) -> LineFile:
    body = call.body
    return call.parts.lines.files.write(call.path["line"], body.text, body.revision, draft=body.draft)


def _remove(call: Call) -> None:
    call.parts.lines.remove(call.path["line"], call.body.revision, draft=call.body.draft)


def _check(call: Call) -> Checked:
    return Checked(call.body.text, check_text(call.body.text))


def _compose(call: Call) -> Checked:
    text = compose(call.body, call.parts.device.socket)
    return Checked(text, check_text(text))


def _try(call: Call) -> Begun:
    return Begun(call.parts.trials.begin(call.body.text))


def _trial(call: Call) -> Trial:
    return call.parts.trials.get(int(call.path["trial"]))


def _picture(call: Call) -> Raw:
    content = call.parts.trials.picture(int(call.path["trial"]), int(call.path["row"]))
    return Raw(content, "image/jpeg", _KEEP)


def _start(call: Call) -> LineState:
    return call.parts.lines.act("start", call.path["line"])


def _stop(call: Call) -> LineState:
    return call.parts.lines.act("stop", call.path["line"])


def _restart(call: Call) -> LineState:
    return call.parts.lines.act("restart", call.path["line"])


def _last(call: Call) -> File:
    return File(call.parts.lines.picture(call.path["line"]), "image/jpeg")


def _log(call: Call) -> Log:
    call.parts.lines.get(call.path["line"])
    return Log(call.parts.lines.keeping.log(call.path["line"]))


_ONE = "/lines/{line}"
_FILE = _ONE + "/file"
_TRIAL = "/line-trials/{trial:int}"
OPERATIONS = (
    Operation("ListLines", "GET", "/lines", "viewer", "List the lines of this device, and how they are.", _all,
              answer=AllLines),
    Operation("DescribeLine", "GET", _ONE, "viewer", "Say how a line is.", _get, answer=LineState),
    Operation("GetLineLastPicture", "GET", _ONE + "/picture", "viewer",
              "Give the last part's picture, with what was found in it.", _last, answer=File),
    Operation("GetLineLog", "GET", _ONE + "/log", "viewer", "Give what a line has said that this studio runs.", _log,
              answer=Log),
    Operation("GetLineFile", "GET", _FILE, "engineer", "Give a line's file, or its draft, and its mistakes.", _file,
              answer=LineFile),
    Operation("WriteLineFile", "PUT", _FILE, "engineer",
              "Write a line's file, which may have no mistakes, or its draft; refused when somebody has meanwhile.",
              _write, body=Written, answer=LineFile),
    Operation("RemoveLineFile", "DELETE", _FILE, "engineer", "Remove a line that does not run, or its draft.", _remove,
              body=Removed),
    Operation("CheckLine", "POST", "/line-check", "engineer",
              "Name every mistake of the text of a line's file, as `edge-agent line check`.", _check, body=Text,
              answer=Checked),
    Operation("ComposeLine", "POST", "/line-compose", "engineer", "Write the text of a line's file from a form.",
              _compose, body=NewLine, answer=Checked),
    Operation("TryLine", "POST", "/line-trials", "engineer",
              "Say what would be decided of ten pictures, without any output, as `edge-agent line try`.", _try,
              body=Text, answer=Begun),
    Operation("GetLineTrial", "GET", _TRIAL, "engineer", "Say how far a trial is.", _trial, answer=Trial),
    Operation("GetLineTrialPicture", "GET", _TRIAL + "/pictures/{row:int}", "engineer",
              "Give a picture of a trial, with what was found in it.", _picture, answer=Raw),
    Operation("StartLine", "POST", _ONE + "/start", "engineer", "Start a line.", _start, answer=LineState),
    Operation("StopLine", "POST", _ONE + "/stop", "engineer", "Stop a line; its pins are then safe.", _stop,
              answer=LineState),
    Operation("RestartLine", "POST", _ONE + "/restart", "engineer", "Stop a line and start it, with its file as it is.",
              _restart, answer=LineState),
)  # fmt: skip
