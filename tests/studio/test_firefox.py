"""The pages in a stock Firefox, which needs no driver: it speaks WebDriver BiDi."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tests.support.studio import running_studio

FIREFOX, NODE, NPM = shutil.which("firefox-esr") or shutil.which("firefox"), shutil.which("node"), shutil.which("npm")

pytestmark = [
    pytest.mark.long,
    pytest.mark.skipif(None in (FIREFOX, NODE, NPM), reason="firefox-esr, node and npm are not all installed"),
]


def test_classes_are_said_masks_painted_and_every_page_shown(tmp_path: Path) -> None:
    assert FIREFOX
    assert NODE
    assert NPM
    command = [NPM, "install", "--no-audit", "--no-fund", "--prefix", str(tmp_path), "puppeteer-core@24"]
    if subprocess.run(command, capture_output=True, check=False).returncode:
        pytest.skip("puppeteer-core can't be had from npm here")
    script = shutil.copy(Path(__file__).with_name("firefox.mjs"), tmp_path)
    with running_studio(tmp_path / "data") as studio:
        studio.post("/projects", {"name": "walk"})
        studio.send("PATCH", "/projects/walk", {"labels": [{"name": "scratch", "color": "#2CA02C"}]})
        for number in range(2):
            path = tmp_path / f"p{number}.png"
            Image.new("RGB", (320, 240), (60 + number, 80, 90)).save(path)
            studio.ask("PUT", f"/api/projects/walk/uploads/{path.name}", path.read_bytes())
        picture = studio.get("/projects/walk/picture-numbers")[1]
        address = studio.address.replace("127.0.0.1", "localhost")
        done = subprocess.run(
            [NODE, script, FIREFOX, address, str(picture)], capture_output=True, text=True, check=False, timeout=400
        )
        assert done.returncode == 0, done.stderr
        assert json.loads(done.stdout) == []
        assert studio.get("/projects/walk")["anomaly"] == 2  # the one that was said, and the painted one
        mask = np.frombuffer(studio.ask("GET", f"/api/projects/walk/pictures/{picture}/mask").content, np.uint8)
        assert set(np.unique(mask)) == {0, 1}
