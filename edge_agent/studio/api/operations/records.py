"""The agent's records: listing them, their kept pictures, and what people say of them."""

from __future__ import annotations

from typing import Literal

import msgspec

from edge_agent.errors import RecordsError, StudioError
from edge_agent.studio.api.call import Call, File, Operation, Raw
from edge_agent.studio.api.operations.projects import Started
from edge_agent.studio.jobs import kinds
from edge_agent.studio.watching.records import MOST_RECORDS, Record, RecordFilter, RecordPage

_KEEP = {"cache-control": "private, max-age=604800, immutable"}
_TYPES = {".png": "image/png", ".jpg": "image/jpeg"}


class RecordPlace(RecordFilter, frozen=True, kw_only=True):
    """Which part of a filtered list: what `next` of the part before it says, "" for the first."""

    beyond: str = ""
    limit: int = 60


class SmallLayer(msgspec.Struct, frozen=True):
    """Whether a small copy is wanted."""

    small: bool = False


class Word(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What a part really was."""

    truth: Literal["normal", "anomaly"]
    labels: list[str] = []


class Taken(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The records whose pictures are taken in: named ones, or those that a filter lets pass, `most` at the most."""

    records: list[str] = []
    filter: RecordFilter | None = None
    most: int = 1000


def _page(call: Call) -> RecordPage:
    place: RecordPlace = call.query
    return call.parts.records.page(place, place.beyond, min(MOST_RECORDS, max(1, place.limit)))


def _get(call: Call) -> Record:
    return call.parts.records.get(call.path["record"])


def _picture(call: Call) -> File:
    path = call.parts.records.stored(call.path["record"]).picture
    return File(path, _TYPES.get(path.suffix, "application/octet-stream"), changes=False)


def _thumbnail(call: Call) -> Raw:
    return Raw(call.parts.records.thumbnail(call.path["record"]), "image/jpeg", _KEEP)


def _layer(call: Call) -> Raw:
    return Raw(call.parts.records.layer(call.path["record"], small=call.query.small), "image/png", _KEEP)


def _confirm(call: Call) -> Record:
    try:
        return call.parts.records.confirm(call.path["record"], call.body.truth, call.body.labels, call.user.name)
    except RecordsError as error:
        raise StudioError(str(error)) from None


def _take(call: Call) -> Started:
    body: Taken = call.body
    if not body.records and body.filter is None:
        raise StudioError("neither records nor a filter is given, expected one of them")
    number = kinds.take_records(
        call.parts.store, call.parts.jobs, call.project, call.parts.records.state, body.records, body.filter, body.most
    )
    call.parts.nudge()
    return Started(number)


_ONE = "/records/{record}"
OPERATIONS = (
    Operation("ListRecords", "GET", "/records", "viewer", "List the agent's verdicts, the newest first, filtered.",
              _page, query=RecordPlace, answer=RecordPage),
    Operation("GetRecord", "GET", _ONE, "viewer", "Describe a verdict.", _get, answer=Record),
    Operation("GetRecordPicture", "GET", _ONE + "/picture", "viewer", "Give the picture of a verdict, if it was kept.",
              _picture, answer=File),
    Operation("GetRecordThumbnail", "GET", _ONE + "/thumbnail", "viewer", "Give a small copy.", _thumbnail,
              answer=Raw),
    Operation("GetRecordLayer", "GET", _ONE + "/layer", "viewer",
              "Give what the model marked on it, transparent elsewhere.", _layer, query=SmallLayer, answer=Raw),
    Operation("ConfirmRecord", "POST", _ONE + "/confirm", "operator", "Say what a part really was.", _confirm,
              body=Word, answer=Record),
    Operation("TakeRecords", "POST", "/projects/{project}/take-records", "operator",
              "Take kept pictures into a project: verdicts and masks as proposals, people's words as classes.",
              _take, body=Taken, answer=Started),
)  # fmt: skip
