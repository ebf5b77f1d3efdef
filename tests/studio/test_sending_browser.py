"""Pictures are sent from a page in a real browser, and a name that is a script is only a name."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path

import numpy as np
from PIL import Image

from tests.support.browser import WITH_A_BROWSER, Person
from tests.support.studio import Studio

pytestmark = WITH_A_BROWSER


def test_a_name_that_is_a_script_is_only_a_name(person: Person, studio: Studio, tmp_path: Path) -> None:
    studio.post("/projects", {"name": "hostile", "description": "<img src=x onerror=\"document.title='gone'\">"})
    path = tmp_path / "p.png"
    Image.new("RGB", (80, 80), (3, 3, 3)).save(path)
    studio.ask("PUT", "/api/projects/hostile/uploads/%3Cimg%20src=x%20onerror=alert(1)%3E.png", path.read_bytes())
    person.go("/")
    person.until(
        "the project is listed", "[...document.querySelectorAll('.project b')].some((b) => b.textContent === 'hostile')"
    )
    assert "gone" not in person.driver.title
    person.go("/projects/hostile")
    person.until("its picture is shown", "document.querySelectorAll('.tile .name').length === 1")
    assert person.count(".tile .name img") == 0


def test_pictures_are_sent_from_the_page_and_refusals_are_named(person: Person, studio: Studio, tmp_path: Path) -> None:
    studio.post("/projects", {"name": "sent"})
    for number in range(12):
        Image.new("RGB", (80, 80), (number, 3, 3)).save(tmp_path / f"p{number}.png")
    shutil.copy(tmp_path / "p1.png", tmp_path / "twin.png")
    (tmp_path / "bad.png").write_bytes(b"no picture")
    person.go("/projects/sent")
    person.find("#files").send_keys("\n".join(str(path) for path in sorted(tmp_path.glob("*.png"))))
    person.until(
        "all have been sent", "document.querySelector('#upload .state').textContent.includes('could not be taken')"
    )
    assert person.text("#upload .state") == "12 added, 1 were there already, 1 could not be taken"
    person.until_text("#upload ul", "bad.png")
    assert studio.get("/projects/sent")["unlabelled"] == 12
    # After an interruption the same files again, and a large one of which a part is there.
    large = tmp_path / "large.png"
    Image.fromarray(np.random.default_rng(1).integers(0, 255, (2000, 3000, 3), np.uint8)).save(large, compress_level=0)
    os.utime(large, (1_700_000_000, 1_700_000_000))  # a browser's time of a file has no more than milliseconds
    content, part = large.read_bytes(), 8 << 20
    identity = ["sent", "large.png", len(content), int(large.stat().st_mtime_ns // 1_000_000)]
    key = 0xCBF29CE484222325
    for byte in json.dumps(identity, separators=(",", ":")).encode():
        key = (key ^ byte) * 0x100000001B3 % 2**64
    place = f"/api/projects/sent/uploads/large.png/parts?key={key:016x}"
    assert studio.ask("PUT", f"{place}&offset=0&size={len(content)}", content[:part]).json == {
        "bytes": part, "added": None,
    }  # fmt: skip
    person.go("/projects/sent")
    person.driver.execute_script("localStorage.setItem('sending sent', '3')")
    person.go("/projects/sent")
    person.until_text("#upload .state", "3 files were not sent when this page was left.")
    person.find("#files").send_keys("\n".join(str(path) for path in [*sorted(tmp_path.glob("p*.png")), large]))
    person.until("all is there", "document.querySelector('#upload .state').textContent.startsWith('1 added, 12 were')")
    uploads = "performance.getEntriesByType('resource').map((e) => e.name).filter((n) => n.includes('/uploads/'))"
    offsets = [str(offset) for offset in range(part, len(content), part)]
    person.until("each part is counted", f"{uploads}.filter((n) => n.includes('offset=')).length >= {len(offsets)}")
    sent = person.driver.execute_script(f"return {uploads}")
    assert not [address for address in sent if "/parts?" not in address]
    assert [begun for address in sent if (begun := address.partition("offset=")[2].partition("&")[0])] == offsets
    assert studio.ask("GET", f"/api/projects/sent/pictures/{studio.get('/projects/sent/picture-numbers?name=large')[0]}"
                      "/image").content == content  # fmt: skip
