"""Why a model could not be started, and whether it is worth another try."""

from __future__ import annotations

import logging
import os

from edge_agent.access.rights import describe_refusal
from edge_agent.errors import ComponentError, EdgeAgentError, EngineFailed, EngineLost

log = logging.getLogger(__name__)


def explain_failed_start(error: Exception) -> tuple[str, bool]:
    """Say why workers did not become ready, and whether the same component may do better next time."""
    if isinstance(error, ComponentError | EngineFailed) and not isinstance(error, EngineLost):
        return str(error), False  # a component that is wrong stays wrong until it is replaced
    if isinstance(error, EdgeAgentError):
        return str(error), True  # a worker that died, was late, or lost its GPU, may do better
    if isinstance(error, OSError):
        file = f" ({os.fsdecode(error.filename)})" if error.filename else ""
        return f"a worker can't be started{file}: {describe_refusal(error)}", True
    log.error("starting a model failed", exc_info=error)
    return f"a defect of the agent: {type(error).__name__}: {error}", False
