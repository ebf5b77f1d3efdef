"""The line now, and its pictures of the last seconds."""

from __future__ import annotations

from edge_agent.studio.api.call import Call, Events, Operation, Raw
from edge_agent.studio.watching.feed import Line

_KEEP = {"cache-control": "private, max-age=3600, immutable"}


def _look(call: Call) -> Line:
    return call.parts.feed.look()


def _watch(call: Call) -> Events:
    return Events("line", call.parts.feed.watch())


def _picture(call: Call) -> Raw:
    return Raw(call.parts.feed.pictures.picture(call.path["number"]), "image/jpeg", _KEEP)


def _layer(call: Call) -> Raw:
    return Raw(call.parts.feed.pictures.layer(call.path["number"]), "image/png", _KEEP)


OPERATIONS = (
    Operation("GetLine", "GET", "/live", "viewer", "Say how the line is now.", _look, answer=Line),
    Operation("WatchLine", "GET", "/live/events", "viewer",
              "Say how the line is, again and again: events `line`, whose data is what GetLine gives.", _watch,
              answer=Events),
    Operation("GetLivePicture", "GET", "/live/pictures/{number}", "viewer", "Give a picture of the last seconds.",
              _picture, answer=Raw),
    Operation("GetLiveLayer", "GET", "/live/pictures/{number}/layer", "viewer",
              "Give what the model marked on it, transparent elsewhere.", _layer, answer=Raw),
)  # fmt: skip
