"""The model for botocore that we write, against the last botocore that had one."""

from __future__ import annotations

import gzip
import json
from typing import Any

import pytest

from edge_agent.studio.aws.client_model import paginators, service_model
from tests.support.environments import Environments


def _plain(value: Any, key: str = "") -> Any:
    """Leave the documentation out, and the order of errors."""
    if isinstance(value, dict):
        return {k: _plain(v, k) for k, v in value.items() if k != "documentation" or isinstance(v, dict)}
    if isinstance(value, list):
        found = [_plain(item) for item in value]
        return sorted(found, key=str) if key == "errors" else found
    return value


@pytest.mark.long
def test_the_table_is_the_services_field_by_field(environments: Environments) -> None:
    place = environments.python("botocore==1.40.60").packages / "botocore" / "data" / "lookoutvision" / "2020-11-20"
    theirs = _plain(json.loads(gzip.decompress((place / "service-2.json.gz").read_bytes())))
    ours = _plain(service_model())
    for kind in ("metadata", "operations", "shapes"):
        assert sorted(ours[kind]) == sorted(theirs[kind])
        for name, value in theirs[kind].items():
            assert ours[kind][name] == value, name
    assert ours == theirs
    assert paginators() == json.loads((place / "paginators-1.json").read_bytes())


def test_the_model_is_whole() -> None:
    model = service_model()
    assert len(model["operations"]) == 22
    json.dumps(model)
    shapes = model["shapes"]
    for shape in shapes.values():
        for member in [*shape.get("members", {}).values(), *([shape["member"]] if "member" in shape else [])]:
            assert member["shape"] in shapes
