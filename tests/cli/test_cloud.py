"""edge-agent cloud: access keys, the client's model, and who may not be served."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest
from click.testing import CliRunner

from edge_agent.cli.cloud import command
from edge_agent.errors import NotThere, SigningError, StudioError
from edge_agent.studio.store.sole import sole_server
from tests.support.cloud import Cloud
from tests.support.ports import free_port
from tests.support.studio import running_studio


def _run(*arguments: str) -> str:
    done = CliRunner().invoke(command, arguments, catch_exceptions=False, standalone_mode=False)
    assert done.exit_code == 0
    return done.output


def test_keys_are_added_listed_and_removed(tmp_path: Path) -> None:
    data = ("--data", str(tmp_path))
    made = json.loads(_run("keys", "add", "laptop", "--scope", "administer", *data, "--json"))
    assert _run("keys", "add", "line", *data).startswith("[line]\naws_access_key_id = EDGE")
    listed = json.loads(_run("keys", "list", *data, "--json"))
    assert [(key["Name"], key["Scope"]) for key in listed] == [("laptop", "administer"), ("line", "use")]
    assert made["SecretAccessKey"] not in _run("keys", "list", *data)
    _run("keys", "remove", made["AccessKeyId"], *data)
    with pytest.raises(NotThere, match="there is no access key"):
        _run("keys", "remove", made["AccessKeyId"], *data)


def test_nobody_else_is_served_without_a_key(tmp_path: Path) -> None:
    with pytest.raises(StudioError, match="calls have to be signed and there is no access key yet"):
        _run("serve", "--data", str(tmp_path / "data"), "--host", "192.0.2.1")


def test_a_second_server_of_the_folder_says_so(tmp_path: Path) -> None:
    with (
        sole_server(tmp_path),
        pytest.raises(StudioError, match=rf"another server \(process {os.getpid()}\) has the data folder {tmp_path}"),
    ):
        _run("serve", "--data", str(tmp_path))


def test_a_key_that_is_none_is_said_at_the_start(tmp_path: Path) -> None:
    (tmp_path / "key.pem").write_text("none")
    with pytest.raises(SigningError, match=r"key\.pem"):
        _run("serve", "--data", str(tmp_path / "data"), "--sign-key", str(tmp_path / "key.pem"))


def test_the_client_is_installed_where_it_is_told(tmp_path: Path) -> None:
    said = _run("install-client", "--output", str(tmp_path), "--endpoint", "http://device:8502")
    assert f"export AWS_DATA_PATH={tmp_path}" in said
    assert "endpoint_url = http://device:8502" in said
    folder = tmp_path / "lookoutvision" / "2020-11-20"
    assert len(json.loads((folder / "service-2.json").read_text())["operations"]) == 22
    assert len(json.loads((folder / "paginators-1.json").read_text())["pagination"]) == 4


@pytest.mark.long
def test_page_and_api_show_the_same(tmp_path: Path) -> None:
    data, port = tmp_path / "data", free_port()
    with running_studio(data, "--aws-port", str(port)) as studio:
        lv = Cloud(studio.process, port, data, tmp_path / "log").client()
        lv.create_project(ProjectName="from-a-script")
        studio.post("/projects", {"name": "from-the-page"})
        assert sorted(project["name"] for project in studio.get("/projects")) == ["from-a-script", "from-the-page"]
        listed = [project["ProjectName"] for project in lv.list_projects()["Projects"]]
        assert listed == ["from-a-script", "from-the-page"]
