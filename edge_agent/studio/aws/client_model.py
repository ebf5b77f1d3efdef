"""The service's model for botocore, written from the table: since botocore 1.40.61 it has none of its own.

The format is botocore's `service-2.json` (https://botocore.amazonaws.com, loaders and model), without documentation.
"""

from __future__ import annotations

from typing import Any

from edge_agent.studio.aws.table.errors import ERRORS, errors_of
from edge_agent.studio.aws.table.operations import OPERATIONS, VERSION
from edge_agent.studio.aws.table.scalars import SCALARS
from edge_agent.studio.aws.table.shape import Member, Operation, Shape, read_members
from edge_agent.studio.aws.table.structures import STRUCTURES

#: as botocore calls the places of a request
_PLACES = {"uri": "uri", "query": "querystring", "header": "header"}


def service_model() -> dict[str, Any]:
    """Write `service-2.json`."""
    shapes: dict[str, Any] = {name: _scalar(shape) for name, shape in SCALARS.items()}
    shapes |= {name: structure(read_members(text)) for name, text in STRUCTURES.items()}
    for name, error in ERRORS.items():
        code = {"error": {"httpStatusCode": error.status}, "exception": True}
        code |= {"fault": True} if error.status == 500 else {}
        shapes[name] = structure(read_members(error.members)) | code
    for operation in OPERATIONS:
        shapes[f"{operation.name}Request"] = _request(operation)
        shapes[f"{operation.name}Response"] = structure(read_members(operation.answers))
    return {
        "version": "2.0",
        "metadata": {
            "apiVersion": VERSION,
            "auth": ["aws.auth#sigv4"],
            "endpointPrefix": "lookoutvision",
            "jsonVersion": "1.1",
            "protocol": "rest-json",
            "protocols": ["rest-json"],
            "serviceFullName": "Amazon Lookout for Vision",
            "serviceId": "LookoutVision",
            "signatureVersion": "v4",
            "signingName": "lookoutvision",
            "uid": f"lookoutvision-{VERSION}",
        },
        "operations": {operation.name: _operation(operation) for operation in OPERATIONS},
        "shapes": dict(sorted(shapes.items())),
    }


def paginators() -> dict[str, Any]:
    """Write `paginators-1.json`."""
    return {
        "pagination": {
            operation.name: {
                "input_token": "NextToken",
                "output_token": "NextToken",
                "limit_key": "MaxResults",
                "result_key": operation.page,
            }
            for operation in OPERATIONS
            if operation.page
        }
    }


def structure(members: tuple[Member, ...]) -> dict[str, Any]:
    """Write a structure of members."""
    written: dict[str, Any] = {"type": "structure"}
    required = [member.name for member in members if member.required]
    written |= {"required": required} if required else {}
    return written | {"members": {member.name: _member(member) for member in members}}


def _request(operation: Operation) -> dict[str, Any]:
    written = structure(operation.members)
    payload = [member.name for member in operation.members if member.place == "payload"]
    return written | ({"payload": payload[0]} if payload else {})


def _member(member: Member) -> dict[str, Any]:
    written: dict[str, Any] = {"shape": member.shape}
    if member.place in _PLACES:
        written |= {"location": _PLACES[member.place], "locationName": member.key}
    if member.shape == "ClientToken":
        written["idempotencyToken"] = True
    return written


def _scalar(shape: Shape) -> dict[str, Any]:
    written: dict[str, Any] = {"type": shape.kind}
    written |= {"member": {"shape": shape.of}} if shape.of else {}
    written |= {"min": shape.least} if shape.least is not None else {}
    written |= {"max": shape.most} if shape.most is not None else {}
    written |= {"pattern": shape.pattern} if shape.pattern else {}
    written |= {"enum": list(shape.choices)} if shape.choices else {}
    return written | ({"streaming": True, "requiresLength": True} if shape.streaming else {})


def _operation(operation: Operation) -> dict[str, Any]:
    written: dict[str, Any] = {
        "name": operation.name,
        "http": {
            "method": operation.method,
            "requestUri": f"/{VERSION}{operation.path}",
        },
        "input": {"shape": f"{operation.name}Request"},
        "output": {"shape": f"{operation.name}Response"},
        "errors": [{"shape": name} for name in errors_of(operation)],
    }
    if operation.status != 200:
        written["http"]["responseCode"] = operation.status
    return written
