"""Whatever lies where a manifest should be: it is read, or one sentence says why not, and the catalogue goes on."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import jsonschema
from hypothesis import example, given
from hypothesis import strategies as st

from edge_agent.component.manifest import decode_manifest, manifest_schema
from edge_agent.errors import ComponentError
from edge_agent.serving.catalogue.catalogue import Catalogue
from tests.fuzz.edits import VALUES
from tests.fuzz.manifest import EXAMPLES, consume
from tests.support.fakes import write_echo
from tests.support.properties import examples
from tests.support.sentences import check_sentence

_SCHEMA = jsonschema.Draft202012Validator(manifest_schema())

_scalars = st.sampled_from([value for value in VALUES if not isinstance(value, list | dict)])
_any_json = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=10) | _scalars,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=5,
)


@st.composite
def _documents(draw: st.DrawFn) -> dict[str, Any]:
    """A manifest of which a few parts are something else."""
    document: dict[str, Any] = json.loads(json.dumps(draw(st.sampled_from(EXAMPLES))))
    for _ in range(draw(st.integers(0, 3))):
        at: Any = document
        for _ in range(draw(st.integers(0, 2))):
            inner = [value for value in (at.values() if isinstance(at, dict) else at) if isinstance(value, dict | list)]
            at = draw(st.sampled_from(inner)) if inner else at
        keys = list(at) if isinstance(at, dict) else list(range(len(at)))
        if isinstance(at, dict):
            keys.append("another key")
        if keys:
            at[draw(st.sampled_from(keys))] = draw(_any_json)
    return document


@examples(100)
@given(_documents())
@example({"format": 1, "\n\x1b[2J" + "x" * 5000: 1})
@example({**EXAMPLES[0], "artifacts": [{"path": "\udc80", "sha256": "0" * 64}]})
@example({**EXAMPLES[0], "version": "1.0." + "9" * 5000})
def test_any_document(document: dict[str, Any]) -> None:
    data = json.dumps(document, ensure_ascii=False).encode("utf-8", "surrogatepass")
    consume(data)
    try:
        decode_manifest(data, source="manifest.json")
    except ComponentError:
        return
    _SCHEMA.validate(document)  # what is read is what the published schema allows


@examples(100)
@given(st.binary(max_size=200) | _any_json.map(lambda value: json.dumps(value).encode()))
@example(b"[" * 100_000)
@example(b'{"training":' * 5000)
@example(b"\xef\xbb\xbf{}")
def test_any_bytes(data: bytes) -> None:
    consume(data)


@examples(25)
@given(st.binary(max_size=100) | _documents().map(lambda value: json.dumps(value).encode()))
def test_the_catalogue_goes_on(tmp_path_factory: Any, data: bytes) -> None:
    models: Path = tmp_path_factory.mktemp("models")
    write_echo(models, "echo")
    (models / "cookies" / "1.0.0").mkdir(parents=True)
    (models / "cookies" / "1.0.0" / "manifest.json").write_bytes(data)
    found = Catalogue([models], {}).scan()
    assert found["echo"].component is not None
    assert found["cookies"].component is None, "its files are missing, whatever the manifest says"
    check_sentence(ComponentError(found["cookies"].problem))
