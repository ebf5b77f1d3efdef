"""What the tests of the service's API share."""

from __future__ import annotations

import pytest

from tests.support.environments import Environments


@pytest.fixture(scope="session")
def environments(tmp_path_factory: pytest.TempPathFactory) -> Environments:
    return Environments(tmp_path_factory.mktemp("environments"))
