"""The service's API through boto3, over a running agent: models, but for training, which test_clients.py has."""

from __future__ import annotations

import io
import shutil
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

import edge_agent
from tests.studio.aws.place import Place, raw, refused
from tests.support.daemon import wait_until
from tests.support.encoded import encoded, kinds_of
from tests.support.parts import draw_part


def _status(place: Place, status: str, version: str = "1") -> dict[str, Any]:
    found: dict[str, Any] = {}

    def reached() -> bool:
        found.update(place.lv.describe_model(ProjectName="plates", ModelVersion=version)["ModelDescription"])
        return bool(found["Status"] == status)

    wait_until(reached, f"the model is {status}")
    return found


def test_a_model_is_hosted_asked_and_stopped(place: Place) -> None:
    lv = place.lv
    lv.create_project(ProjectName="plates")
    (model,) = lv.list_models(ProjectName="plates")["Models"]
    assert (model["ModelVersion"], model["Status"]) == ("1", "TRAINED")
    asked = {"ProjectName": "plates", "ModelVersion": "1"}
    picture = draw_part(1)[0]
    error = refused(lv.detect_anomalies, **asked, ContentType="image/png", Body=encoded(picture, "PNG"))
    assert (error["Error"]["Code"], error["ResourceType"]) == ("ConflictException", "MODEL")
    assert error["Error"]["Message"] == "Model 1 of project plates is TRAINED; expected HOSTED."

    error = refused(lv.start_model, **asked, MinInferenceUnits=65)
    assert error["Error"]["Code"] == "ServiceQuotaExceededException"
    started = lv.start_model(**asked, MinInferenceUnits=2, MaxInferenceUnits=4, ClientToken="the-same")
    assert started["Status"] == "STARTING_HOSTING"
    described = _status(place, "HOSTED")
    assert (described["MinInferenceUnits"], described["MaxInferenceUnits"]) == (2, 4)
    assert len(place.agent.workers("plates.1")) == 2
    assert described["OutputConfig"]["S3Location"]["Prefix"] == ""
    assert lv.start_model(**asked, MinInferenceUnits=2, ClientToken="the-same")["Status"] == "HOSTED"
    assert refused(lv.start_model, **asked, MinInferenceUnits=1)["Error"]["Code"] == "ConflictException"
    assert refused(lv.delete_model, **asked)["Error"]["Code"] == "ConflictException"
    assert refused(lv.delete_project, ProjectName="plates")["Error"]["Code"] == "ConflictException"

    with edge_agent.Client(place.agent.socket) as client:
        for form, body in kinds_of(picture):
            (place.data / "sent").write_bytes(body)
            same = client.detect("plates.1", edge_agent_picture(place.data / "sent"))
            result = lv.detect_anomalies(**asked, ContentType=f"image/{form.lower()}", Body=body)["DetectAnomalyResult"]
            assert (result["Confidence"], result["IsAnomalous"]) == (same.confidence, same.is_anomalous)
            assert result["Source"] == {"Type": "direct"}
            assert [(a["Name"], a["PixelAnomaly"]["TotalPercentageArea"]) for a in result["Anomalies"]] == [
                (area.label, area.fraction) for area in same.areas
            ]
            mask = np.asarray(Image.open(io.BytesIO(result["AnomalyMask"])).convert("RGB"))
            assert same.mask is not None
            assert (mask == same.mask).all()

    # What can't be kept is said before anything is begun.
    for output, tags, said in (
        ("none-1", [], "bucket none-1 for the results: there is no bucket 'none-1'"),
        ("line-1", [{"Key": "a", "Value": "1"}, {"Key": "a", "Value": "2"}], "the tag's key 'a' is given twice"),
    ):
        lv.create_dataset(ProjectName="plates", DatasetType="train")
        wanted = {"OutputConfig": {"S3Location": {"Bucket": output}}, "Tags": tags}
        assert refused(lv.create_model, ProjectName="plates", **wanted)["Error"]["Message"] == said
        lv.delete_dataset(ProjectName="plates", DatasetType="train")
    assert len(lv.list_models(ProjectName="plates")["Models"]) == 1

    def refusal(body: bytes, content_type: str = "image/png") -> str:
        return str(refused(lv.detect_anomalies, **asked, ContentType=content_type, Body=body)["Error"]["Message"])

    assert "96x128" in refusal(encoded(np.ascontiguousarray(picture.swapaxes(0, 1)), "PNG"))
    assert refusal(encoded(picture, "PNG"), "image/jpeg") == "the picture is PNG, content-type says image/jpeg"
    assert "content-type must be one of the following. image/jpeg, image/png" in refusal(b"x", "image/gif")
    assert "not a" in refusal(b"nothing")
    assert "expected 64 to 4096" in refusal(encoded(picture[:60], "PNG"))
    assert "4 MB" in refusal(b"\x89PNG" + bytes(4 << 20))

    assert lv.stop_model(**asked)["Status"] == "STOPPING_HOSTING"
    assert "MinInferenceUnits" not in _status(place, "TRAINED")
    # A Lambda that sends one and the same token for ever starts it again all the same.
    assert lv.start_model(**asked, MinInferenceUnits=1, ClientToken="the-same")["Status"] == "STARTING_HOSTING"
    _status(place, "HOSTED")
    lv.stop_model(**asked)
    _status(place, "TRAINED")
    metrics = raw(place, "GET", "/metrics")[2].decode()
    assert 'lookoutvision_processed_image_count_total{ModelVersion="1",ProjectName="plates"} 13.0' in metrics
    assert 'lookoutvision_invalid_image_count_total{ModelVersion="1",ProjectName="plates"} 6.0' in metrics
    arn = model["ModelArn"]
    lv.tag_resource(ResourceArn=arn, Tags=[{"Key": "line", "Value": "1"}, {"Key": "Größe", "Value": ""}])
    lv.untag_resource(ResourceArn=arn, TagKeys=["line", "none"])
    assert lv.list_tags_for_resource(ResourceArn=arn)["Tags"] == [{"Key": "Größe", "Value": ""}]
    error = refused(lv.tag_resource, ResourceArn=arn, Tags=[{"Key": f"k{n}", "Value": ""} for n in range(50)])
    assert (error["Error"]["Code"], error["ResponseMetadata"]["HTTPStatusCode"]) == (
        "ServiceQuotaExceededException",
        402,
    )
    copied = shutil.copytree(place.data / "models" / "plates" / "1.0.0", place.data.parent / "kept")
    assert lv.delete_model(**asked)["ModelArn"] == arn
    assert lv.list_models(ProjectName="plates")["Models"] == []
    shutil.copytree(copied, place.data / "models" / "plates" / "1.0.0")
    assert [model["ModelVersion"] for model in lv.list_models(ProjectName="plates")["Models"]] == ["2"]


def edge_agent_picture(path: Path) -> Any:
    from edge_agent.inference.imaging.picture import read_picture

    return read_picture(path)
