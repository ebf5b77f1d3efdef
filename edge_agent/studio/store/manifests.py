"""A project's labels as manifests, which `edge-agent train` and all other commands read."""

from __future__ import annotations

from pathlib import Path

from edge_agent.building.datasets.dataset import Dataset, Example, MaskFile, Rgb, parse_color
from edge_agent.building.datasets.manifests.writing import write_manifest
from edge_agent.studio.store.database import Database
from edge_agent.studio.store.layout import MASKS, PICTURES, TEST, TRAIN, Layout
from edge_agent.studio.store.masks import WHITE
from edge_agent.studio.store.projects import Projects


class Manifests:
    """Writes what people have said of pictures to where the commands find it."""

    def __init__(self, layout: Layout, database: Database, projects: Projects) -> None:
        self._layout, self._database, self._projects = layout, database, projects

    def path(self, project: str, part: str) -> Path:
        """Give the place of a project's manifest of a part."""
        return self._layout.project(project) / f"{part}.manifest"

    def write_changed(self) -> int:
        """Write the manifests of the projects that have changed; return how many projects that were."""
        rows = self._database.rows("SELECT name FROM projects WHERE unwritten")
        for row in rows:
            self.write(row["name"])
        return len(rows)

    def write(self, project: str) -> None:
        """Write a project's manifests; one without pictures is removed."""
        number = self._projects.number(project)
        with self._database.writing() as write:  # what changes from here on is written the next time
            write.execute("UPDATE projects SET unwritten = 0 WHERE id = ?", (number,))
        try:
            for part in (TRAIN, TEST):
                self._write_part(project, number, part)
        except BaseException:
            with self._database.writing() as write:
                write.execute("UPDATE projects SET unwritten = 1 WHERE id = ?", (number,))
            raise

    def _write_part(self, project: str, number: int, part: str) -> None:
        folder = self._layout.project(project)
        labels = self._projects.labels(number)
        colors: dict[str | None, Rgb] = {None: WHITE, **{label.name: parse_color(label.color) for label in labels}}
        rows = self._database.rows(
            "SELECT file, class, marked FROM pictures WHERE project = ? AND part = ? AND class IS NOT NULL"
            " ORDER BY file",
            (number, part),
        )
        examples = []
        for row in rows:
            path = folder / PICTURES / row["file"]
            shown = row["class"] == "anomaly" and row["marked"] != "[]"
            mask = MaskFile(folder / MASKS / f"{row['file']}.png", colors) if shown else None
            examples.append(Example(path, str(path), row["class"], mask))
        target = self.path(project, part)
        if not examples:
            target.unlink(missing_ok=True)
            return
        write_manifest(Dataset(folder, tuple(examples)), target)
