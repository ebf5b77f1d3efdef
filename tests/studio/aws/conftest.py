"""What the tests of the service's API share."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.studio.aws.place import Place
from tests.support.cloud import running_cloud
from tests.support.daemon import running_daemon
from tests.support.environments import Environments
from tests.support.fakes import write_echo
from tests.support.parts import write_folders


@pytest.fixture(scope="session")
def environments(tmp_path_factory: pytest.TempPathFactory) -> Environments:
    return Environments(tmp_path_factory.mktemp("environments"))


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    root = tmp_path_factory.mktemp("cloud")
    data = root / "studio"
    pictures = write_folders(root / "bucket" / "parts", normal=3, anomaly=3, masks=True)
    write_echo(data / "models", "plates", 128, 96)
    (root / "config.toml").write_text(f'[buckets]\nline-1 = "{root}/bucket"\n')
    (root / "agent").mkdir()
    with (
        running_daemon(root / "agent", models=data / "deployed") as agent,
        running_cloud(data, "--config", str(root / "config.toml"), agent=agent.socket) as cloud,
    ):
        yield Place(cloud, agent, data, pictures, cloud.client())
