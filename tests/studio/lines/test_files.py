"""The folder of line files: names, revisions, drafts, and what is left alone."""

from __future__ import annotations

from pathlib import Path

import pytest

from edge_agent.errors import Conflict, EdgeAgentError, NotThere, StudioError
from edge_agent.studio.lines.composing import NewLine, compose
from edge_agent.studio.lines.files import LineFiles


@pytest.fixture
def text(tmp_path: Path) -> str:
    return compose(NewLine(name="one", place=str(tmp_path), model="flange"))


@pytest.fixture
def files(tmp_path: Path) -> LineFiles:
    return LineFiles(tmp_path / "lines")


def test_what_is_not_right_is_a_draft_which_the_line_does_not_run(files: LineFiles, text: str) -> None:
    wrong = text.replace("after", "# mine\nafer")
    with pytest.raises(StudioError, match=r"has a mistake: source\.afer is not a key"):
        files.write("one", wrong, "", draft=False)
    draft = files.write("one", wrong, "", draft=True)
    assert (draft.text, draft.has_draft, draft.is_there, len(draft.mistakes)) == (wrong, True, False, 1)
    saved = files.write("one", text, draft.revision, draft=False)
    assert (saved.text, saved.has_draft, saved.is_there, saved.mistakes) == (text, False, True, [])
    draft = files.write("one", wrong, saved.revision, draft=True)
    assert (files.read("one").text, files.saved("one").text) == (wrong, text)
    files.remove("one", draft.revision, draft=True)
    assert (files.read("one"), files.names()) == (saved, ["one"])
    files.remove("one", saved.revision, draft=False)
    with pytest.raises(NotThere):
        files.read("one")


def test_a_second_person_overwrites_nothing(files: LineFiles, text: str) -> None:
    first = files.write("one", text, "", draft=False)
    with pytest.raises(Conflict, match="there is a line 'one' already"):
        files.write("one", text, "", draft=False)
    files.write("one", text + "# theirs\n", first.revision, draft=False)
    for draft in (True, False):
        with pytest.raises(Conflict, match="somebody else has changed"):
            files.write("one", text + "# mine\n", first.revision, draft=draft)
        with pytest.raises(Conflict, match="somebody else has changed"):
            files.remove("one", first.revision, draft=draft)
    assert files.path("one").read_text() == text + "# theirs\n"


def test_mode_and_ends_of_lines_stay_as_they_were(files: LineFiles, text: str) -> None:
    files.write("one", text, "", draft=False)
    files.path("one").write_bytes(text.replace("\n", "\r\n").encode())
    files.path("one").chmod(0o640)
    found = files.read("one")
    assert found.text == text
    files.write("one", found.text + "# mine\n", found.revision, draft=False)
    assert files.path("one").read_bytes().endswith(b"\r\n# mine\r\n")
    assert files.path("one").stat().st_mode & 0o777 == 0o640


@pytest.mark.parametrize(
    "name", ["", "..", "../x", "/etc/x", ".hidden", "-rf", "a b", "a/b", "a\0", "a\n", "x" * 65, "ä", "a\\b", "@"]
)
def test_hostile_names_lead_nowhere(files: LineFiles, name: str) -> None:
    for use in (
        lambda: files.read(name),
        lambda: files.write(name, "", "", draft=True),
        lambda: files.remove(name, "", draft=False),
    ):
        with pytest.raises(StudioError, match="can't be the name of a line"):
            use()
    assert not files.folder.exists()


def test_links_and_what_is_no_text_are_left_alone(files: LineFiles, text: str, tmp_path: Path) -> None:
    elsewhere = tmp_path / "elsewhere.toml"
    elsewhere.write_text(text)
    files.folder.mkdir()
    files.path("link").symlink_to(elsewhere)
    found = files.read("link")
    with pytest.raises(StudioError, match="is a link to"):
        files.write("link", text + "#\n", found.revision, draft=False)
    assert elsewhere.read_text() == text
    files.path("latin").write_bytes('name = "Bräter"'.encode("latin-1"))
    with pytest.raises(StudioError, match="is not UTF-8"):
        files.read("latin")
    files.path("folder").mkdir()
    (files.folder / ".hidden.toml").write_text("")
    assert files.names() == ["latin", "link"]
    with pytest.raises(StudioError, match="256 KiB"):
        files.write("large", "#" * (257 << 10), "", draft=True)
    with pytest.raises(EdgeAgentError, match="no text"):
        files.write("odd", "\udc80", "", draft=True)
