"""A studio that is killed in the middle of a file: what had come is there, the rest is sent, and nothing twice."""

from __future__ import annotations

import io
import socket
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tests.support.daemon import wait_until
from tests.support.studio import OURS, running_studio

_PLACE = "/api/projects/sent/uploads/large.bmp/parts?key=0123456789abcdef"


@pytest.mark.long
def test_a_file_goes_on_where_a_killed_studio_was(tmp_path: Path) -> None:
    file = io.BytesIO()
    Image.fromarray(np.random.default_rng(1).integers(0, 255, (300, 400, 3), np.uint8)).save(file, "bmp")
    content, part = file.getvalue(), 150_000
    place = f"{_PLACE}&size={len(content)}"
    data = tmp_path / "data"
    with running_studio(data) as studio:
        studio.post("/projects", {"name": "sent"})
        assert studio.ask("PUT", f"{place}&offset=0", content[:part]).json["bytes"] == part
        with socket.create_connection(("127.0.0.1", studio.port)) as connection:
            head = [f"PUT {place}&offset={part} HTTP/1.1", "host: localhost", f"content-length: {part}"]
            head += [f"{name}: {value}" for name, value in OURS.items()]
            connection.sendall("\r\n".join([*head, "", ""]).encode() + content[part : part + 70_000])
            wait_until(lambda: list(data.glob(".receiving-*")), "half of the second part has come")
            studio.process.kill()
            studio.process.wait()
    # The same file again, as it is when a studio dies between moving it to its place and noting it.
    (data / "projects/sent/pictures").mkdir(parents=True, exist_ok=True)
    (data / "projects/sent/pictures/large.bmp").write_bytes(content)
    with running_studio(data) as studio:
        assert not list(data.glob(".receiving-*"))
        here = studio.ask("GET", _PLACE).json["bytes"]
        assert here == part
        refused = studio.ask("PUT", f"{place}&offset=0", content[:part])
        assert (refused.status, f"{part} bytes of this file are here" in refused.error) == (409, True)
        while here < len(content):
            answer = studio.ask("PUT", f"{place}&offset={here}", content[here : here + part]).json
            here = answer["bytes"]
        assert (answer["added"]["state"], answer["added"]["file"]) == ("added", "large.bmp")
        again = studio.ask("PUT", "/api/projects/sent/uploads/large.bmp", content).json
        assert (again["state"], again["file"]) == ("duplicate", "large.bmp")
        assert studio.get("/projects/sent/pictures")["total"] == 1
        assert (data / "projects/sent/pictures/large.bmp").read_bytes() == content
        assert [path.name for path in (data / "projects/sent/pictures").iterdir()] == ["large.bmp"]
