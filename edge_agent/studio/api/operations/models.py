"""Models: building, measuring, trying, packaging, and another threshold."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

import msgspec

from edge_agent.delivery.signing import read_private_key, sign_component
from edge_agent.studio.api.call import Call, Operation
from edge_agent.studio.api.operations.projects import Started
from edge_agent.studio.jobs import kinds
from edge_agent.studio.jobs.kinds import TrainOptions
from edge_agent.studio.jobs.measured import measurements
from edge_agent.studio.jobs.outlook import Outlook, outlook
from edge_agent.studio.store.models import Model


class Threshold(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Scores from this on are anomalous, 0 to 1."""

    threshold: float


class Measured(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The part to measure on; "" for `test` if there is one, else `train`."""

    part: Literal["", "train", "test"] = ""


class Tried(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The pictures to try a model on; none for all that have no class."""

    pictures: list[int] = []


class Packaged(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What a Greengrass component is made for and called ("": this machine's platform, and the model's name).

    `sign_key` is a private key (PEM), a file of the machine on which the studio runs; "" leaves it unsigned.
    """

    platform: Literal["", "LINUX/X86_64", "LINUX/ARM64"] = ""
    component: str = ""
    sign_key: str = ""


class Signed(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A private key (PEM), a file of the machine on which the studio runs."""

    key: str


def _started(call: Call, number: int) -> Started:
    call.parts.nudge()
    return Started(number)


def _all(call: Call) -> list[Model]:
    found = measurements(call.parts.jobs, call.project)
    models = call.parts.store.models.all(call.project)
    return [msgspec.structs.replace(model, measured=found.get(model.version)) for model in models]


def _outlook(call: Call) -> Outlook:
    version = call.path["version"]
    call.parts.store.models.folder(call.project, version)
    return outlook(call.parts.store, call.parts.jobs, call.project, version)


def _train(call: Call) -> Started:
    return _started(call, kinds.train(call.parts.store, call.parts.jobs, call.project, call.body))


def _evaluate(call: Call) -> Started:
    version = call.path["version"]
    return _started(call, kinds.evaluate(call.parts.store, call.parts.jobs, call.project, version, call.body.part))


def _try(call: Call) -> Started:
    version, pictures = call.path["version"], call.body.pictures
    return _started(call, kinds.try_model(call.parts.store, call.parts.jobs, call.project, version, pictures))


def _package(call: Call) -> Started:
    body = call.body
    order = kinds.Packaging(body.platform, body.component, body.sign_key)
    return _started(call, kinds.package(call.parts.store, call.parts.jobs, call.project, call.path["version"], order))


def _sign(call: Call) -> Model:
    store, version = call.parts.store, call.path["version"]
    key = read_private_key(Path(call.body.key))
    sign_component(store.models.folder(call.project, version), key)
    return store.models.get(call.project, version)


def _threshold(call: Call) -> Model:
    return call.parts.store.models.with_threshold(call.project, call.path["version"], call.body.threshold)


def _remove(call: Call) -> None:
    call.parts.store.models.remove(call.project, call.path["version"])


_ALL = "/projects/{project}/models"
_ONE = _ALL + "/{version}"
OPERATIONS = (
    Operation("ListModels", "GET", _ALL, "viewer", "List the versions of a project's model, the newest first.", _all,
              answer=list[Model]),
    Operation("GetOutlook", "GET", _ONE + "/outlook", "viewer",
              "Say what to expect of a version and what would make it better, as its training has said.",
              _outlook, answer=Outlook),
    Operation("Train", "POST", "/projects/{project}/train", "engineer", "Build a model of the labelled pictures.",
              _train, body=TrainOptions, answer=Started),
    Operation("Evaluate", "POST", _ONE + "/evaluate", "engineer", "Measure a model on labelled pictures.", _evaluate,
              body=Measured, answer=Started),
    Operation("Try", "POST", _ONE + "/try", "operator", "Have a model judge pictures that nobody has labelled.", _try,
              body=Tried, answer=Started),
    Operation("Package", "POST", _ONE + "/package", "engineer", "Make a Greengrass component of a model.", _package,
              body=Packaged, answer=Started),
    Operation("Sign", "POST", _ONE + "/sign", "engineer", "Sign a model, for devices that serve nothing unsigned.",
              _sign, body=Signed, answer=Model),
    Operation("UseThreshold", "POST", _ONE + "/threshold", "engineer",
              "Make a new version that differs in its threshold alone.", _threshold, body=Threshold, answer=Model),
    Operation("RemoveModel", "DELETE", _ONE, "engineer", "Remove a version; what is deployed stays deployed.", _remove),
)  # fmt: skip
