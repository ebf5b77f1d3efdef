"""Every key is a file below its bucket's folder, and comes back from that file's path."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge_agent.studio.aws.storage.keys import is_own, key_of, path_of
from tests.support.properties import examples

ODD = [
    "part.png", "a/b/c.png", "a//b", "/a", "a/", "//", "/", "a/../../b", "..", ".", "./a", "a/./b", "50%.png", "a%20b",
    "a%25b", "%", "%_", "%=", "a/%=", "x%-", "x%-/y", "%2E", "%2e", "\x00\x1f\x7f", "ä/ö\u2028", "a\nb", "x" * 1024,
    "é" * 500, "%25" * 300, ".edge-agent/uploads/x", ".edge-agent", ".edge-agentx", "." * 400, "x" * 200 + ".",
    "x" * 200 + "%_", "x" * 199 + "%01" * 50,
]  # fmt: skip


@pytest.mark.parametrize("key", ODD)
def test_odd_keys(key: str) -> None:
    _holds(key)


@examples(100)
@given(st.text(st.sampled_from("a./%_=-25E0\x01é"), min_size=1, max_size=12))
def test_any_key_of_dangerous_letters(key: str) -> None:
    _holds(key)


@examples(100)
@given(st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=300))
def test_any_key(key: str) -> None:
    _holds(key)


@examples(100)
@given(st.lists(st.text(st.sampled_from("a.%_=-25E\x01"), min_size=1, max_size=6), min_size=2, max_size=2, unique=True))
def test_two_keys_are_two_files(keys: list[str]) -> None:
    assert path_of(keys[0]) != path_of(keys[1])


@pytest.mark.parametrize("path", ["a%25b.png", "%2E", "x%01", "a%_", "b/%="])
def test_a_file_that_a_person_named_has_a_key(path: str) -> None:
    key = key_of(path)
    assert path in (path_of(key), f"{path_of(key)}/%=", key)


def test_the_object_of_a_folders_name() -> None:
    assert key_of("a/b/%=") == "a/b"


def _holds(key: str) -> None:
    path = path_of(key)
    parts = path.split("/")
    assert "" not in parts and "." not in parts and ".." not in parts and "\x00" not in path
    assert all(len(part.encode()) <= 250 for part in parts)
    assert not is_own(path)
    assert key_of(path) == key
