"""StartModel, StopModel, DetectAnomalies."""

from __future__ import annotations

import base64
import json

from edge_agent.client.detection import Detection
from edge_agent.component.manifest import MOST_INSTANCES
from edge_agent.errors import AgentUnreachable, CallFailed, ServiceRefused
from edge_agent.studio.aws.call import Answer, Call, conflict, invalid, quota
from edge_agent.studio.aws.hosting import host, unhost
from edge_agent.studio.aws.mask_png import encode_mask
from edge_agent.studio.aws.models import Numbered, Statuses, component_name, find

_STARTABLE = ("TRAINED", "HOSTING_FAILED")


def start_model(call: Call) -> Answer:
    """Have the agent start a model; the same token again, while it starts or runs, is the same call again."""
    model, service = find(call), call.service
    least = call.values["MinInferenceUnits"]
    most = call.values.get("MaxInferenceUnits")
    if most is not None and most < least:
        raise invalid(f"MaxInferenceUnits is {most}, expected MinInferenceUnits ({least}) or more")
    if least > MOST_INSTANCES:
        name = f"{call.project}/{model.number}"
        raise quota("MODEL", name, f"MinInferenceUnits is {least}; a model has {MOST_INSTANCES} workers at most here")
    status, _ = Statuses(service).of(model)
    token = call.values.get("ClientToken", "")
    if token and token == model.hosting_token and status in ("STARTING_HOSTING", "HOSTED"):
        return {"Status": status}
    if status not in _STARTABLE:
        raise _wrong_state(call, model, status, "TRAINED")
    units = {"MinInferenceUnits": least} | ({"MaxInferenceUnits": most} if most is not None else {})
    service.state.write(
        "UPDATE models SET hosting_token = ?, units = ? WHERE project = ? AND number = ?",
        token, json.dumps(units), model.project, model.number,
    )  # fmt: skip
    host(service, model._replace(units=units))
    return {"Status": "STARTING_HOSTING"}


def stop_model(call: Call) -> Answer:
    """Have the agent stop a model, after the pictures that it is at."""
    model, service = find(call), call.service
    status, _ = Statuses(service).of(model)
    token = call.values.get("ClientToken", "")
    if token and token == model.hosting_token and status == "STOPPING_HOSTING":
        return {"Status": status}
    if status not in ("HOSTED", "HOSTING_FAILED"):
        raise _wrong_state(call, model, status, "HOSTED")
    service.state.write(
        "UPDATE models SET hosting_token = ?, units = '{}' WHERE project = ? AND number = ?",
        token, model.project, model.number,
    )  # fmt: skip
    unhost(service, model)
    return {"Status": "STOPPING_HOSTING"}


def detect_anomalies(call: Call) -> Answer:
    """Inspect a picture; the verdict is the agent's for the same pixels in shared memory."""
    values, service = call.values, call.service
    version = values["ModelVersion"]
    # The agent is asked at once, and only what it refuses is looked into: a picture is in a hurry.
    if version == "latest":
        version = values["ModelVersion"] = str(find(call).number)  # trail and metrics have the number
    component = component_name(call.project, version)
    try:
        detection = service.detectors.detect(component, values["Body"], values["ContentType"])
    except CallFailed as error:
        raise _refused(call, error) from None
    except AgentUnreachable as error:
        raise ServiceRefused("InternalServerException", str(error), RetryAfterSeconds=1) from None
    return {"DetectAnomalyResult": answer_of(detection)}


def answer_of(detection: Detection) -> Answer:
    """Write a verdict as the service does; a mask as PNG in base64."""
    written: Answer = {
        "Source": {"Type": "direct"},
        "IsAnomalous": detection.is_anomalous,
        "Confidence": detection.confidence,
    }
    if detection.areas:
        written["Anomalies"] = [
            {"Name": area.label, "PixelAnomaly": {"TotalPercentageArea": area.fraction, "Color": area.color}}
            for area in detection.areas
        ]
    if detection.mask is not None:
        written["AnomalyMask"] = base64.b64encode(encode_mask(detection.mask)).decode()
    return written


def _refused(call: Call, error: CallFailed) -> ServiceRefused:
    if error.code in ("NOT_FOUND", "FAILED_PRECONDITION"):
        model = find(call)  # says if project or model is not there
        return _wrong_state(call, model, Statuses(call.service).of(model)[0], "HOSTED")
    if error.code == "INVALID_ARGUMENT":
        return invalid(str(error))
    if error.code in ("RESOURCE_EXHAUSTED", "DEADLINE_EXCEEDED"):
        return ServiceRefused(
            "ThrottlingException", str(error), QuotaCode="edge-agent", ServiceCode="lookoutvision", RetryAfterSeconds=1
        )
    return ServiceRefused("InternalServerException", str(error))


def _wrong_state(call: Call, model: Numbered, status: str, expected: str) -> ServiceRefused:
    name = f"{call.project}/{model.number}"
    return conflict("MODEL", name, f"Model {model.number} of project {call.project} is {status}; expected {expected}.")
