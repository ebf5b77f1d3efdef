"""What has to be decided before gRPC is imported."""

from __future__ import annotations

import os
from importlib import metadata

#: releases of grpcio in which the experiment below was measured; others may not know it and would complain on stderr
_MEASURED = ("1.85.",)


def prepare_grpc() -> None:
    """Choose gRPC's older listener, which hands a call to Python with one thread hop less.

    docs/performance.md has the figures: 0.1 to 0.3 ms of each call. A choice that the environment makes is kept.
    """
    if metadata.version("grpcio").startswith(_MEASURED):
        os.environ.setdefault("GRPC_EXPERIMENTS", "-event_engine_listener")
