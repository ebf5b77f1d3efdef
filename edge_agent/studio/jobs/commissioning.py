"""Jobs that concern the agent of this device: sending it pictures, and comparing a model with its shadow."""

from __future__ import annotations

from pathlib import Path

from edge_agent.children.command import child_command
from edge_agent.errors import StudioError
from edge_agent.studio.device import Device
from edge_agent.studio.jobs.table import Jobs
from edge_agent.studio.store.layout import shortened
from edge_agent.studio.store.pictures import Filter
from edge_agent.studio.store.store import Store

SENDING, COMPARISON = "send", "compare"
COMPARISON_FOLDER = "comparison"
_SINCE = "30d"
#: pictures that are sent at the most: enough to see that the line would work
_MOST = 200


def send(store: Store, jobs: Jobs, device: Device, model: str) -> int:
    """Put the sending of a project's pictures to the agent into the list.

    Raises:
        NotThere: the model has no project here.
        StudioError: the project has no pictures.
    """
    chosen = store.pictures.ids(model, Filter())[:_MOST]
    if not chosen:
        raise StudioError(f"project '{model}' has no pictures that could be sent")
    paths = [str(store.pictures.path(model, picture)) for picture in chosen]
    number = jobs.prepare(model, SENDING, model)
    command = ["detect", shortened(model), *paths, "--socket", device.socket, "--json"]
    jobs.queue(number, [*child_command("edge_agent.cli"), *command])
    return number


def compare(jobs: Jobs, device: Device, model: str, state: Path) -> int:
    """Put the comparison of a model with its shadow, of the last 30 days, into the list.

    Raises:
        StudioError: the model has no shadow.
    """
    shadows = {served.name: served.shadow for served in device.state().models}
    if not shadows.get(model):
        raise StudioError(f"model '{model}' has no shadow, expected one whose verdicts can be compared")
    number = jobs.prepare(model, COMPARISON, f"{model}, {shadows[model]}")
    page = jobs.folder(number) / COMPARISON_FOLDER
    command = ["models", "compare", shortened(model), shadows[model], "--since", _SINCE, "--output", str(page),
               "--state-dir", str(state), "--json"]  # fmt: skip
    jobs.queue(number, [*child_command("edge_agent.cli"), *command])
    return number
