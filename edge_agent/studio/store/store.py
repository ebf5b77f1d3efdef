"""The studio's store: all that is kept, opened together."""

from __future__ import annotations

from pathlib import Path

from edge_agent.studio.store.database import Database
from edge_agent.studio.store.layout import Layout
from edge_agent.studio.store.manifests import Manifests
from edge_agent.studio.store.masks import Masks
from edge_agent.studio.store.models import Models
from edge_agent.studio.store.partial import Partial
from edge_agent.studio.store.pictures import Pictures
from edge_agent.studio.store.projects import Projects


class Store:
    """A data folder. Its parts may be used by several threads."""

    def __init__(self, root: Path) -> None:
        """Open the data folder, or make it; StudioError when that can't be done."""
        self.layout = Layout(root.absolute())
        self.database = Database(self.layout.database)
        self.projects = Projects(self.layout, self.database)
        self.pictures = Pictures(self.layout, self.database, self.projects)
        self.partial = Partial(self.layout.root / "partial")
        self.masks = Masks(self.layout, self.database, self.projects, self.pictures)
        self.manifests = Manifests(self.layout, self.database, self.projects)
        self.models = Models(self.layout)

    def close(self) -> None:
        """Write what is not yet in the manifests, and close the index."""
        self.manifests.write_changed()
        self.database.close()
