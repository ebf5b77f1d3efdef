"""Pictures, classes, masks and manifests in a data folder, without a server."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from edge_agent.building.datasets.masks import read_mask
from edge_agent.building.datasets.reading import read_dataset
from edge_agent.errors import Conflict, NotThere, StudioError
from edge_agent.studio.store.layout import safe_file_name, shortened
from edge_agent.studio.store.pictures import Filter
from edge_agent.studio.store.projects import Label
from edge_agent.studio.store.reindex import reindex
from edge_agent.studio.store.store import Store

LABELS = [Label("scratch", "#2ca02c"), Label("dent", "#1f77b4")]


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    found = Store(tmp_path / "data")
    found.projects.create("part", "a part")
    found.projects.change("part", labels=LABELS)
    yield found
    found.close()


def add(store: Store, name: str, color: tuple[int, int, int] = (9, 9, 9), size: tuple[int, int] = (96, 64)) -> int:
    received = store.layout.root / "received"
    Image.new("RGB", size, color).save(received, "PNG")
    return store.pictures.add("part", name, received).id


def test_what_is_painted_is_what_is_read_pixel_for_pixel(store: Store) -> None:
    picture = add(store, "a.png")
    painted = np.random.default_rng(1).integers(0, 3, (64, 96)).astype(np.uint8)
    saved = store.masks.save("part", picture, painted.tobytes(), 0, by="anna")
    assert saved.revision == 1
    assert saved.marked == ["scratch", "dent"]
    assert (store.masks.read("part", picture) == painted).all()
    with Image.open(store.masks.path("part", store.pictures.get("part", picture))) as image:
        assert image.mode == "P"
        assert image.size == (96, 64)
        assert (np.asarray(image) == painted).all()
    assert store.pictures.get("part", picture).class_ == "anomaly"


def test_the_commands_read_what_the_studio_writes(store: Store) -> None:
    marked, bare, good, unseen = (add(store, f"{name}.png", (n, n, n)) for n, name in enumerate("mbgu"))
    painted = np.zeros((64, 96), np.uint8)
    painted[10:20, 30:50] = 2
    store.masks.save("part", marked, painted.tobytes(), 0)
    store.pictures.say("part", [bare], class_="anomaly")
    store.pictures.say("part", [good], class_="normal")
    store.pictures.say("part", [bare], part="test")
    assert store.manifests.write_changed() == 1
    assert store.manifests.write_changed() == 0
    train = read_dataset(store.manifests.path("part", "train"))
    assert {example.path.name: example.label for example in train.examples} == {"g.png": "normal", "m.png": "anomaly"}
    assert [label.name for label in train.labels] == ["scratch", "dent"]
    (example,) = train.of("anomaly")
    assert example.mask is not None
    assert (read_mask(example.mask, ("scratch", "dent")).classes == painted).all()
    test = read_dataset(store.manifests.path("part", "test"))
    assert [example.path.name for example in test.examples] == ["b.png"]
    store.pictures.say("part", [bare], part="train")
    store.manifests.write_changed()
    assert not store.manifests.path("part", "test").exists()
    assert store.pictures.get("part", unseen).class_ is None


def test_a_second_painter_is_told_and_nothing_is_overwritten(store: Store) -> None:
    picture = add(store, "a.png")
    first, second = np.full((64, 96), 1, np.uint8), np.full((64, 96), 2, np.uint8)
    store.masks.save("part", picture, first.tobytes(), 0, by="anna")
    with pytest.raises(Conflict, match=r"the mask of a\.png was changed by anna meanwhile"):
        store.masks.save("part", picture, second.tobytes(), 0, by="bert")
    assert (store.masks.read("part", picture) == 1).all()
    assert store.masks.save("part", picture, second.tobytes(), 1, by="bert").revision == 2


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"\0" * 100, r"has 100 bytes, expected 96 x 64 = 6144"),
        (b"\3" * 6144, r"has a pixel 3, expected 0 to 2"),
    ],
)
def test_masks_that_are_none(store: Store, content: bytes, message: str) -> None:
    picture = add(store, "a.png")
    with pytest.raises(StudioError, match=message):
        store.masks.save("part", picture, content, 0)
    assert store.pictures.get("part", picture).revision == 0


def test_the_same_picture_is_named_and_another_of_the_same_name_gets_one_of_its_own(store: Store) -> None:
    first = add(store, "a.png", (1, 1, 1))
    received = store.layout.root / "again"
    Image.new("RGB", (96, 64), (1, 1, 1)).save(received, "PNG")
    again = store.pictures.add("part", "other.png", received)
    assert (again.state, again.id, again.file) == ("duplicate", first, "a.png")
    assert not received.exists()
    add(store, "A.PNG", (2, 2, 2))
    page = store.pictures.page("part", Filter(), 0, 10)
    assert {picture.file for picture in page.pictures} == {"a.png", "A-2.PNG"}


@pytest.mark.parametrize(
    ("name", "kept"),
    [
        ("../../etc/passwd", "passwd"),
        ("C:\\pictures\\a.png", "a.png"),
        ("..", None),
        (".hidden.png", "hidden.png"),
        ('<script>"x".png', "_script__x_.png"),
        ("x" * 400 + ".png", "x" * 176 + ".png"),
        ("日本.png", "日本.png"),
        ("a\nb.png", "a_b.png"),
    ],
)
def test_names_of_files(name: str, kept: str | None) -> None:
    if kept is None:
        with pytest.raises(StudioError, match="is no name of a picture"):
            safe_file_name(name)
    else:
        assert safe_file_name(name) == kept


def test_a_file_that_is_no_picture_is_refused_by_its_name(store: Store, tmp_path: Path) -> None:
    received = tmp_path / "received"
    received.write_bytes(b"hello")
    with pytest.raises(StudioError, match=r"^notes\.png "):
        store.pictures.add("part", "notes.png", received)
    assert store.pictures.page("part", Filter(), 0, 10).total == 0
    assert list((store.layout.project("part") / "pictures").iterdir()) == []


def test_filters_and_orders(store: Store) -> None:
    numbers = [add(store, f"part-{n}.png", (n, 0, 0)) for n in (1, 2, 10)]
    store.pictures.say("part", numbers[:1], class_="normal", by="anna")
    store.pictures.judge("part", numbers[0], score=0.9, anomalous=True, by="part 1.0.0")
    store.pictures.judge("part", numbers[2], score=0.4, anomalous=False, by="part 1.0.0")

    def names(**wanted: str) -> list[str]:
        chosen = Filter(**{"class_" if key == "class" else key: value for key, value in wanted.items()})  # type: ignore[arg-type]
        return [picture.file for picture in store.pictures.page("part", chosen, 0, 10).pictures]

    assert names() == ["part-1.png", "part-2.png", "part-10.png"]
    assert names(**{"class": "none"}) == ["part-2.png", "part-10.png"]
    assert names(verdict="differs") == ["part-1.png"]
    assert names(order="score") == ["part-1.png", "part-10.png", "part-2.png"]
    assert names(order="doubt")[0] == "part-10.png"
    assert names(name="T-1") == ["part-1.png", "part-10.png"]
    assert store.pictures.get("part", numbers[0]).changed_by == "anna"


def test_the_index_is_made_anew_from_the_files(store: Store) -> None:
    marked, good = add(store, "m.png", (1, 1, 1)), add(store, "g.png", (2, 2, 2))
    painted = np.zeros((64, 96), np.uint8)
    painted[:5] = 1
    store.masks.save("part", marked, painted.tobytes(), 0)
    store.pictures.say("part", [good], class_="normal", part="test")
    root = store.layout.root
    store.close()
    for path in root.glob("studio.db*"):
        path.unlink()
    folder = root / "projects" / "part" / "pictures"
    Image.new("RGB", (96, 64), (7, 7, 7)).save(folder / "copied-in.png")
    (folder / "broken.png").write_bytes(b"x")
    shutil.copytree(root / "projects" / "part", root / "projects" / "other")
    anew = Store(root)
    found = reindex(anew)
    assert (found.projects, len(found.problems)) == (2, 2)
    for name in ("part", "other"):
        project = anew.projects.get(name)
        assert (project.normal, project.anomaly, project.unlabelled, project.test) == (1, 1, 1, 1)
        assert project.labels == LABELS
        pictures = {picture.file: picture for picture in anew.pictures.page(name, Filter(), 0, 10).pictures}
        assert pictures["m.png"].marked == ["scratch"]
        assert (anew.masks.read(name, pictures["m.png"].id) == painted).all()
    (root / "projects" / "part" / "pictures" / "m.png").unlink()
    assert reindex(anew).projects == 2
    assert anew.projects.get("part").anomaly == 0
    anew.close()
    store.database = anew.database  # the fixture closes it again
    store.manifests = anew.manifests
    store.close = lambda: None  # type: ignore[method-assign]


def test_a_damaged_manifest_makes_nobody_forget_what_was_said(store: Store) -> None:
    good, bad = add(store, "good.png", (1, 1, 1)), add(store, "bad.png", (2, 2, 2))
    store.pictures.say("part", [good], class_="normal")
    store.pictures.say("part", [bad], class_="anomaly", part="test")
    store.manifests.write_changed()
    store.manifests.path("part", "train").write_bytes(b"\x00 no manifest")
    (problem,) = reindex(store).problems
    assert "train.manifest" in problem
    assert "what the index knows of its pictures stays" in problem
    assert store.pictures.get("part", good).class_ == "normal"
    assert (store.pictures.get("part", bad).class_, store.pictures.get("part", bad).part) == ("anomaly", "test")


def test_labels_keep_their_places(store: Store) -> None:
    picture = add(store, "a.png")
    store.masks.save("part", picture, b"\1" * 6144, 0)
    renamed = store.projects.change("part", labels=[Label("crack", "#ff0000"), *LABELS[1:], Label("hole", "#000001")])
    assert [label.name for label in renamed.labels] == ["crack", "dent", "hole"]
    assert store.pictures.get("part", picture).marked == ["crack"]
    assert (store.masks.read("part", picture) == 1).all()
    with pytest.raises(StudioError, match="'hole' is missing: labels can be renamed and added, not removed"):
        store.projects.change("part", labels=renamed.labels[:2])
    with pytest.raises(StudioError, match="the same colour"):
        store.projects.change("part", labels=[*renamed.labels, Label("x", "#ff0000")])


def test_projects_have_names_of_components(store: Store) -> None:
    with pytest.raises(Conflict, match="there is a project 'part' already"):
        store.projects.create("part")
    for name in ("", "../x", "a/b", ".hidden", "ä", "x" * 256):
        with pytest.raises(StudioError, match="can't be the name of a project"):
            store.projects.create(name)
    with pytest.raises(NotThere, match="there is no project 'none'"):
        store.projects.get("none")
    # Longer than a component's name, and alike for as long as that is.
    longer = ["x" * 200, "x" * 199 + "y"]
    for name in longer:
        store.projects.create(name)
        assert len(store.layout.project(name).name) == 128
        assert store.projects.name_of(shortened(name)) == name
        Image.new("RGB", (96, 64)).save(store.layout.project(name) / "pictures" / f"{name[-1]}.png")
    assert reindex(store).projects == 3
    assert [store.pictures.page(name, Filter(), 0, 9).pictures[0].file for name in longer] == ["x.png", "y.png"]
    for name in longer:
        store.projects.remove(name)
    picture = add(store, "a.png")
    store.projects.remove("part")
    assert store.projects.all() == []
    assert not store.layout.project("part").exists()
    with pytest.raises(NotThere):
        store.pictures.get("part", picture)
