"""Putting a model where the agent finds it, and starting and stopping it there, while the caller goes on."""

from __future__ import annotations

import logging
import shutil
import threading
import time

from edge_agent.client.client import Client
from edge_agent.errors import CallFailed, EdgeAgentError
from edge_agent.studio.aws.call import Service
from edge_agent.studio.aws.models import STARTED, STARTING, STOPPING, Numbered

log = logging.getLogger(__name__)

#: the agent looks at its folders every second
_SEEN_SECONDS = 30.0
_LOOK_SECONDS = 0.1


def host(service: Service, model: Numbered) -> None:
    """Begin to host a model; what comes of it stands in the state."""
    _set(service, model, STARTING)
    threading.Thread(target=_in_order, args=(service, model, _start), name="hosting", daemon=True).start()


def unhost(service: Service, model: Numbered) -> None:
    """Begin to stop a model."""
    _set(service, model, STOPPING)
    threading.Thread(target=_in_order, args=(service, model, _stop), name="hosting", daemon=True).start()


def withdraw(service: Service, model: Numbered) -> None:
    """Remove a model from the agent's folder."""
    shutil.rmtree(service.device.folder / model.component, ignore_errors=True)


def forget_unfinished(service: Service) -> None:
    """Say of what an earlier server has begun and not finished that it failed."""
    text = "The server ended while it started the model; start it again."
    service.state.write("UPDATE models SET hosting = '', hosting_problem = ? WHERE hosting = ?", text, STARTING)
    service.state.write("UPDATE models SET hosting = ? WHERE hosting = ?", STARTED, STOPPING)


def _in_order(service: Service, model: Numbered, run: object) -> None:
    assert callable(run)
    try:
        run(service, model)
    except EdgeAgentError as error:
        _set(service, model, "", str(error))
    except Exception as error:
        log.exception("a defect of the service's API, with model %s", model.component)
        _set(service, model, "", f"a defect: {type(error).__name__}; the log has more")


def _start(service: Service, model: Numbered) -> None:
    # Under the model's own name, so that several versions run side by side.
    units = model.units.get("MinInferenceUnits", 1)
    service.device.host(model.project, model.version, under=model.component, instances=units)
    with Client(service.device.socket) as client:
        _wait_until_seen(service, client, model)
        client.start(model.component, wait=False)
    _set(service, model, STARTED)


def _wait_until_seen(service: Service, client: Client, model: Numbered) -> None:
    end = time.monotonic() + _SEEN_SECONDS
    while True:
        # The list, and not the one model: for a list the agent looks at its folders again.
        found = next((one for one in client.models() if one.name == model.component), None)
        if found is not None:
            if "it is not signed" in found.message and found.status == "FAILED" and not service.device.signs:
                raise EdgeAgentError(
                    f"the agent serves signed models alone ({found.message}); start this server with --sign-key FILE, "
                    "the private key of one that the agent trusts"
                )
            return
        if time.monotonic() > end:
            raise EdgeAgentError(
                f"the agent at {service.device.socket} does not see {model.component} in {service.device.folder}; "
                f"start it with --model-dir {service.device.folder}"
            )
        time.sleep(_LOOK_SECONDS)


def _stop(service: Service, model: Numbered) -> None:
    with Client(service.device.socket) as client:
        try:
            client.stop(model.component)
        except CallFailed as error:
            if error.code not in ("NOT_FOUND", "FAILED_PRECONDITION"):  # it does not run any more, which is as good
                raise
    withdraw(service, model)
    _set(service, model, "")


def _set(service: Service, model: Numbered, hosting: str, problem: str = "") -> None:
    service.state.write(
        "UPDATE models SET hosting = ?, hosting_problem = ? WHERE project = ? AND number = ?",
        hosting, problem, model.project, model.number,
    )  # fmt: skip
