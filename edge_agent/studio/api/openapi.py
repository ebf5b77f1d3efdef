"""The OpenAPI document, made of the table of operations."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import msgspec

from edge_agent.studio.access.guard import OUR_HEADER
from edge_agent.studio.api.call import Events, File, Operation, Raw
from edge_agent.version import __version__

_REF = "#/components/schemas/{name}"
_BINARY = {"type": "string", "format": "binary"}
_RAW = (bytes, Path, File, Raw, Events)


def openapi(operations: tuple[Operation, ...], prefix: str) -> dict[str, Any]:
    """Describe the operations in OpenAPI 3.1, https://spec.openapis.org/oas/v3.1.0."""
    types = [kind for operation in operations for kind in (operation.body, operation.answer, operation.query)]
    wanted = list(dict.fromkeys(kind for kind in types if kind is not None and kind not in _RAW))
    schemas, components = msgspec.json.schema_components(wanted, ref_template=_REF)
    of = dict(zip(wanted, schemas, strict=True))
    paths: dict[str, Any] = {}
    for operation in operations:
        path = prefix + re.sub(r"\{(\w+):\w+\}", r"{\1}", operation.path)
        paths.setdefault(path, {})[operation.method.lower()] = _describe(operation, of, components)
    error = {"type": "object", "properties": {"error": {"type": "string", "description": "one sentence"}}}
    return {
        "openapi": "3.1.0",
        "info": {"title": "edge-agent studio", "version": __version__},
        "paths": paths,
        "components": {"schemas": {**components, "Error": error}},
    }


def _describe(operation: Operation, of: dict[Any, Any], components: dict[str, Any]) -> dict[str, Any]:
    parameters = [
        {"name": name, "in": "path", "required": True, "schema": {"type": "integer" if kind == "int" else "string"}}
        for name, kind in re.findall(r"\{(\w+)(?::(\w+))?\}", operation.path)
    ]
    if operation.query is not None:
        query = components[of[operation.query]["$ref"].rpartition("/")[2]]
        parameters += [
            {"name": name, "in": "query", "required": name in query.get("required", ()), "schema": schema}
            for name, schema in query["properties"].items()
        ]
    if operation.method != "GET":
        parameters.append({"name": OUR_HEADER, "in": "header", "required": True, "schema": {"type": "string"}})
    described: dict[str, Any] = {
        "operationId": operation.name,
        "summary": operation.summary,
        "description": f"Needs the role {operation.role}.",
        "parameters": parameters,
        "responses": {
            "200": {"description": "done", **_content(operation.answer, of)},
            "default": {
                "description": "refused",
                "content": {"application/json": {"schema": {"$ref": _REF.format(name="Error")}}},
            },
        },
    }
    if operation.body is not None:
        described["requestBody"] = {"required": True, **_content(operation.body, of)}
    return described


def _content(kind: Any, of: dict[Any, Any]) -> dict[str, Any]:
    if kind is None:
        return {}
    if kind is Events:
        return {"content": {"text/event-stream": {"schema": {"type": "string"}}}}
    if kind in _RAW:
        return {"content": {"application/octet-stream": {"schema": _BINARY}}}
    return {"content": {"application/json": {"schema": of[kind]}}}
