"""TagResource, UntagResource, ListTagsForResource."""

from __future__ import annotations

import re
from typing import Any

from edge_agent.studio.aws.call import Answer, Call, invalid, not_found, quota
from edge_agent.studio.aws.models import numbered

MOST_TAGS = 50
_ARN = re.compile(r"arn:[^:]*:lookoutvision:[^:]*:[^:]*:(project/[^/]+|model/[^/]+/[1-9][0-9]*)")


def tag_resource(call: Call) -> Answer:
    """Add tags, or change their values."""
    put_tags(call, _resource(call), call.values["Tags"])
    return {}


def untag_resource(call: Call) -> Answer:
    """Remove tags; those that are not there are no mistake."""
    resource = _resource(call)
    with call.service.state.database.writing() as write:
        write.executemany(
            "DELETE FROM tags WHERE resource = ? AND key = ?", [(resource, key) for key in call.values["TagKeys"]]
        )
    return {}


def list_tags_for_resource(call: Call) -> Answer:
    """List tags by their keys."""
    rows = call.service.state.database.rows("SELECT * FROM tags WHERE resource = ? ORDER BY key", (_resource(call),))
    return {"Tags": [{"Key": row["key"], "Value": row["value"]} for row in rows]}


def check_tags(resource: str, tags: list[dict[str, Any]]) -> None:
    """See whether tags can be kept.

    Raises:
        ServiceRefused: a key is given twice or is AWS' own, or there are too many.
    """
    keys = [tag["Key"] for tag in tags]
    if twice := [key for place, key in enumerate(keys) if key in keys[:place]]:
        raise invalid(f"the tag's key {twice[0]!r} is given twice")
    if own := [key for key in keys if key.lower().startswith("aws:")]:
        raise invalid(f"the tag's key {own[0]!r} begins with aws:, which is not for users")
    if len(keys) > MOST_TAGS:
        raise quota("MODEL", resource, f"{resource} would have more than {MOST_TAGS} tags")


def put_tags(call: Call, resource: str, tags: list[dict[str, Any]]) -> None:
    """Keep tags of a resource; ServiceRefused as `check_tags`."""
    check_tags(resource, tags)
    keys = [tag["Key"] for tag in tags]
    with call.service.state.database.writing() as write:
        rows = write.execute("SELECT key FROM tags WHERE resource = ?", (resource,)).fetchall()
        if len({*keys, *(row["key"] for row in rows)}) > MOST_TAGS:
            raise quota("MODEL", resource, f"{resource} would have more than {MOST_TAGS} tags")
        write.executemany(
            "INSERT OR REPLACE INTO tags VALUES (?, ?, ?)", [(resource, tag["Key"], tag["Value"]) for tag in tags]
        )


def _resource(call: Call) -> str:
    """Give what an ARN names, of any region and account; ServiceRefused when it is not there."""
    arn = call.values["ResourceArn"]
    match = _ARN.fullmatch(arn)
    if match is None:
        raise invalid(f"{arn[:200]!r} is no ARN of a project or model")
    kind, project, *version = match[1].split("/")
    there = project in {found.name for found in call.service.store.projects.all()}
    if there and version:
        there = int(version[0]) in {model.number for model in numbered(call.service, project)}
    if not there:
        raise not_found(kind.upper(), match[1].partition("/")[2], f"{arn} does not exist.")
    return match[1]
