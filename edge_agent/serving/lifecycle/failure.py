"""Why a model could not be started, and whether it is worth another try."""

from __future__ import annotations

import logging
import os
from pathlib import Path

from edge_agent.access.names import describe_rights
from edge_agent.errors import ComponentError, EdgeAgentError, EngineFailed, EngineLost

log = logging.getLogger(__name__)


def explain_failed_start(error: Exception) -> tuple[str, bool]:
    """Say why workers did not become ready, and whether the same component may do better next time."""
    if isinstance(error, ComponentError | EngineFailed) and not isinstance(error, EngineLost):
        return str(error), False  # a component that is wrong stays wrong until it is replaced
    if isinstance(error, EdgeAgentError):
        return str(error), True  # a worker that died, was late, or lost its GPU, may do better
    if isinstance(error, OSError):
        return f"a worker can't be started: {_name(error)}{error.strerror}", True
    log.error("starting a model failed", exc_info=error)
    return f"a defect of the agent: {type(error).__name__}: {error}", False


def _name(error: OSError) -> str:
    """Name the file that an error is about, where it is about one, and whose it is."""
    if not error.filename:
        return ""
    path = Path(os.fsdecode(error.filename))
    try:
        return f"{path}, which {describe_rights(path.stat())}: "
    except OSError:
        return f"{path}: "
