"""Pictures: sending them, listing them, saying what they are."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

import msgspec

from edge_agent.studio.api.call import Call, File, Operation
from edge_agent.studio.api.operations.projects import Started
from edge_agent.studio.jobs import kinds
from edge_agent.studio.store.pictures import Added, Filter, Page, Picture

#: the most bytes of one picture's file
MOST_BYTES = 256 << 20
_MOST_DIGESTS = 1000
_TYPES = {".png": "image/png", ".jpg": "image/jpeg", ".jpeg": "image/jpeg", ".bmp": "image/bmp", ".webp": "image/webp",
          ".tif": "image/tiff", ".tiff": "image/tiff"}  # fmt: skip


class Place(Filter, frozen=True, kw_only=True):
    """Which part of a filtered list."""

    offset: int = 0
    limit: int = 200


class Part(msgspec.Struct, frozen=True):
    """Where a part of a file begins, the bytes of the whole, and the key by which its parts belong together."""

    offset: int
    size: int
    key: str


class Key(msgspec.Struct, frozen=True):
    """The key of a file that is sent in parts."""

    key: str


class Received(msgspec.Struct, frozen=True):
    """How many bytes of a file are here; and, when they are all, what became of it."""

    bytes: int
    added: Added | None = None


class Offered(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """SHA-256 digests, in hex, of files that somebody would send; at most 1000."""

    digests: list[str]


class Said(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What people say of pictures: a class, or null for none; the part they belong to; what is left out stays."""

    pictures: list[int]
    class_: Literal["normal", "anomaly", "keep"] | None = msgspec.field(name="class", default="keep")
    part: Literal["train", "test"] | None = None


class Chosen(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Pictures by number."""

    pictures: list[int]


class Count(msgspec.Struct, frozen=True):
    """How many pictures that concerned."""

    pictures: int


class SourceFolder(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A folder, manifest or CSV file, on this machine or s3://; `images` is where relative references lie."""

    path: str
    images: str = ""


def _page(call: Call) -> Page:
    place = call.query
    return call.parts.store.pictures.page(call.project, place, max(0, place.offset), max(1, place.limit))


def _ids(call: Call) -> list[int]:
    return call.parts.store.pictures.ids(call.project, call.query)


def _get(call: Call) -> Picture:
    return call.parts.store.pictures.get(call.project, call.picture)


def _add(call: Call) -> Added:
    received: Path = call.body
    return call.parts.store.pictures.add(call.project, call.path["name"], received, by=call.user.name)


def _add_part(call: Call) -> Received:
    wanted, received, store = call.query, call.body, call.parts.store
    here = store.partial.append(wanted.key, wanted.offset, received, min(MOST_BYTES, max(0, wanted.size)))
    if here < wanted.size:
        return Received(here)
    whole = store.partial.take(wanted.key, received)
    return Received(here, store.pictures.add(call.project, call.path["name"], whole, by=call.user.name))


def _received(call: Call) -> Received:
    return Received(call.parts.store.partial.received(call.query.key))


def _known(call: Call) -> dict[str, str]:
    return call.parts.store.pictures.known(call.project, call.body.digests[:_MOST_DIGESTS])


def _say(call: Call) -> Count:
    body = call.body
    changed = call.parts.store.pictures.say(
        call.project, body.pictures, class_=body.class_, part=body.part, by=call.user.name
    )
    return Count(changed)


def _remove(call: Call) -> Count:
    return Count(call.parts.store.pictures.remove(call.project, call.body.pictures))


def _image(call: Call) -> File:
    path = call.parts.store.pictures.path(call.project, call.picture)
    return File(path, _TYPES.get(path.suffix.lower(), "application/octet-stream"), changes=False)


def _thumbnail(call: Call) -> File:
    return File(call.parts.store.pictures.thumbnail(call.project, call.picture), "image/jpeg", changes=False)


def _take_in(call: Call) -> Started:
    number = kinds.take_in(call.parts.store, call.parts.jobs, call.project, call.body.path, call.body.images)
    call.parts.nudge()
    return Started(number)


_ALL = "/projects/{project}/pictures"
_ONE = _ALL + "/{picture:int}"
OPERATIONS = (
    Operation("ListPictures", "GET", _ALL, "viewer", "List pictures, filtered and in an order.", _page,
              query=Place, answer=Page),
    Operation("ListPictureNumbers", "GET", "/projects/{project}/picture-numbers", "viewer",
              "List the numbers of all pictures that a filter lets pass.", _ids, query=Filter, answer=list[int]),
    Operation("AddPicture", "PUT", "/projects/{project}/uploads/{name}", "operator",
              "Send one picture's file as the body; a file that is there already is named.", _add,
              body=Path, answer=Added),
    Operation("AddPart", "PUT", "/projects/{project}/uploads/{name}/parts", "operator",
              "Send a part of a picture's file as the body, each where the one before has ended.", _add_part,
              query=Part, body=Path, answer=Received),
    Operation("GetReceived", "GET", "/projects/{project}/uploads/{name}/parts", "operator",
              "Say how many bytes of a file that is sent in parts are here.", _received, query=Key, answer=Received),
    Operation("ListKnown", "POST", "/projects/{project}/known", "operator",
              "Say which files are there already, by SHA-256: digest and name of each.", _known, body=Offered,
              answer=dict[str, str]),
    Operation("SayClass", "POST", _ALL + "/say", "operator", "Say which class and part pictures have.", _say,
              body=Said, answer=Count),
    Operation("RemovePictures", "POST", _ALL + "/remove", "engineer", "Remove pictures and their masks.", _remove,
              body=Chosen, answer=Count),
    Operation("ImportDataset", "POST", "/projects/{project}/import", "engineer",
              "Take in a folder, manifest or CSV file, of this machine or s3://.", _take_in, body=SourceFolder,
              answer=Started),
    Operation("GetPicture", "GET", _ONE, "viewer", "Describe a picture.", _get, answer=Picture),
    Operation("GetImage", "GET", _ONE + "/image", "viewer", "Give the picture's file.", _image, answer=File),
    Operation("GetThumbnail", "GET", _ONE + "/thumbnail", "viewer", "Give a small copy.", _thumbnail, answer=File),
)  # fmt: skip
