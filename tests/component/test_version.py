"""Semantic versions are ordered as semver.org says."""

from __future__ import annotations

import random

import pytest

from edge_agent.component.version import is_name, parse_version

# The examples of Semantic Versioning 2.0.0, section 11, among others.
ORDERED = [
    "0.9.9", "1.0.0-alpha", "1.0.0-alpha.1", "1.0.0-alpha.beta", "1.0.0-beta", "1.0.0-beta.2", "1.0.0-beta.11",
    "1.0.0-rc.1", "1.0.0", "1.2.0", "1.10.0", "2.0.0", "10.0.0",
]  # fmt: skip


def test_versions_are_ordered_by_precedence() -> None:
    shuffled = random.Random(5).sample(ORDERED, len(ORDERED))
    assert sorted(shuffled, key=parse_version) == ORDERED


def test_build_metadata_does_not_count() -> None:
    assert parse_version("1.0.0+a") == parse_version("1.0.0+b")


@pytest.mark.parametrize(
    "text", ["", "1", "1.0", "v1.0.0", "1.0.0.0", "01.0.0", "1.0.0-", "1.0.0-01", "1.0.0 ", "latest"]
)
def test_what_is_not_a_version(text: str) -> None:
    with pytest.raises(ValueError, match="is not a semantic version"):
        parse_version(text)


@pytest.mark.parametrize(
    ("name", "good"),
    [("a", True), ("com.example.Model_1-x", True), ("a" * 128, True), ("", False), (".a", False), ("a/b", False),
     ("a" * 129, False), ("ä", False)],
)  # fmt: skip
def test_names(name: str, good: bool) -> None:
    assert is_name(name) is good
