"""Models on the agent by the service's API: several workers, signed components, agents and servers that come and go."""

from __future__ import annotations

import io
import json
import urllib.request
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from tests.support.cloud import Cloud, running_cloud
from tests.support.daemon import Daemon, running_daemon, wait_until
from tests.support.fakes import write_echo
from tests.support.keys import Signer
from tests.support.parts import draw_part, write_folders
from tests.support.studio import running_studio

pytestmark = pytest.mark.long
MODEL = {"ProjectName": "plates", "ModelVersion": "1"}


def _described(cloud: Cloud) -> dict[str, Any]:
    found: dict[str, Any] = cloud.client().describe_model(**MODEL)["ModelDescription"]
    return found


def _wait_for(cloud: Cloud, *statuses: str) -> dict[str, Any]:
    wait_until(lambda: _described(cloud)["Status"] in statuses, f"the model is {statuses}")
    return _described(cloud)


def _detect(cloud: Cloud) -> dict[str, Any]:
    content = io.BytesIO()
    Image.fromarray(draw_part(1)[0]).save(content, "PNG")
    answer = cloud.client().detect_anomalies(**MODEL, ContentType="image/png", Body=content.getvalue())
    found: dict[str, Any] = answer["DetectAnomalyResult"]
    return found


def _units(cloud: Cloud) -> dict[str, float]:
    with urllib.request.urlopen(f"{cloud.address}/metrics") as response:
        lines = response.read().decode().splitlines()
    found = [line for line in lines if "_inference_units{" in line]
    return {line.partition("{")[0].removeprefix("lookoutvision_"): float(line.rpartition(" ")[2]) for line in found}


def _with_a_model(tmp_path: Path) -> Path:
    data = tmp_path / "studio"
    write_echo(data / "models", "plates", 128, 96)
    (tmp_path / "agent").mkdir()
    return data


def _bring_back(agent: Daemon, workers: int) -> None:
    agent.stop()
    agent.restart()
    wait_until(lambda: len(agent.workers("plates.1")) == workers, "the agent has started the model again")


def test_inference_units_are_workers_which_a_restart_brings_back(tmp_path: Path) -> None:
    data = _with_a_model(tmp_path)
    with running_daemon(tmp_path / "agent", models=data / "deployed") as agent:
        with running_cloud(data, agent=agent.socket) as cloud:
            lv = cloud.client()
            lv.create_project(ProjectName="plates")
            lv.start_model(**MODEL, MinInferenceUnits=2, MaxInferenceUnits=3)
            found = _wait_for(cloud, "HOSTED")
            assert (found["MinInferenceUnits"], found["MaxInferenceUnits"]) == (2, 3)
            assert len(agent.workers("plates.1")) == 2
            assert _units(cloud) == {
                "min_inference_units": 2, "max_inference_units": 3, "desired_inference_units": 2,
                "in_service_inference_units": 2,
            }  # fmt: skip
            before = _detect(cloud)
            _bring_back(agent, 2)
            _wait_for(cloud, "HOSTED")
        with running_cloud(data, agent=agent.socket) as cloud:  # another server knows it too
            assert _wait_for(cloud, "HOSTED")["MinInferenceUnits"] == 2
            assert _detect(cloud) == before
            lv = cloud.client()
            lv.stop_model(**MODEL)
            assert "MinInferenceUnits" not in _wait_for(cloud, "TRAINED")
            wait_until(lambda: agent.workers("plates.1") == [], "its workers have ended")
            assert _units(cloud) == {}
            # At once with other units: the agent must not take the component of the last time.
            lv.start_model(**MODEL, MinInferenceUnits=1)
            _wait_for(cloud, "HOSTED")
            assert len(agent.workers("plates.1")) == 1
            lv.stop_model(**MODEL)
            _wait_for(cloud, "TRAINED")


def test_an_agent_that_wants_signatures_gets_signed_models(tmp_path: Path) -> None:
    data, signer = _with_a_model(tmp_path), Signer(tmp_path, "release")
    other = Signer(tmp_path, "other")
    flags = ("--require-signature", "--trusted-key", str(signer.public))
    with running_daemon(tmp_path / "agent", *flags, models=data / "deployed") as agent:
        for key, reason in ((None, "start this server with --sign-key FILE"), (other, "or the key is not trusted")):
            arguments = ["--sign-key", str(key.private)] if key else []
            with running_cloud(data, *arguments, agent=agent.socket) as cloud:
                lv = cloud.client()
                if key is None:
                    lv.create_project(ProjectName="plates")
                assert lv.start_model(**MODEL, MinInferenceUnits=1)["Status"] == "STARTING_HOSTING"
                assert reason in _wait_for(cloud, "HOSTING_FAILED", "HOSTED")["StatusMessage"]
        with running_cloud(data, "--sign-key", str(signer.private), agent=agent.socket) as cloud:
            lv = cloud.client()
            lv.start_model(**MODEL, MinInferenceUnits=2)
            assert _wait_for(cloud, "HOSTING_FAILED", "HOSTED")["Status"] == "HOSTED"
            assert _detect(cloud)["Source"] == {"Type": "direct"}
            _bring_back(agent, 2)
            _wait_for(cloud, "HOSTED")
            lv.stop_model(**MODEL)
            _wait_for(cloud, "TRAINED")


def test_a_scripts_training_reaches_its_bucket_after_a_studio_without_the_api(tmp_path: Path) -> None:
    data, bucket = tmp_path / "studio", tmp_path / "bucket"
    write_folders(bucket, normal=10, anomaly=10)
    config = tmp_path / "config.toml"
    config.write_text(f'[buckets]\nline-1 = "{bucket}"\n')
    lines = []
    for path in sorted(bucket.glob("*/*.png")):
        about = {
            "class-name": path.parent.name, "confidence": 1, "type": "groundtruth/image-classification",
            "human-annotated": "yes", "job-name": "a", "creation-date": "2024-01-01T00:00:00",
        }  # fmt: skip
        reference = f"s3://line-1/{path.relative_to(bucket)}"
        lines.append({"source-ref": reference, "anomaly-label": 1, "anomaly-label-metadata": about})
    (bucket / "a.manifest").write_text("".join(json.dumps(line) + "\n" for line in lines))
    source = {"GroundTruthManifest": {"S3Object": {"Bucket": "line-1", "Key": "a.manifest"}}}
    with running_cloud(data, "--config", str(config)) as cloud:
        lv = cloud.client()
        lv.create_project(ProjectName="plates")
        lv.create_dataset(ProjectName="plates", DatasetType="train", DatasetSource=source)

        def ready() -> bool:
            found = lv.describe_dataset(ProjectName="plates", DatasetType="train")["DatasetDescription"]
            return bool(found["Status"] == "CREATE_COMPLETE")

        wait_until(ready, "the dataset is there")
        location = {"S3Location": {"Bucket": "line-1", "Prefix": "results/"}}
        lv.create_model(ProjectName="plates", OutputConfig=location)
        cloud.process.terminate()
        cloud.process.wait()
        with running_studio(data) as studio:  # takes the job up, or begins it

            def done() -> bool:
                jobs = studio.get("/jobs")
                training = [job for job in jobs if job["kind"] == "train"]
                assert training[0]["state"] in ("waiting", "running", "done"), training
                return bool(training[0]["state"] == "done")

            wait_until(done, "the training has ended")
        assert not (bucket / "results").exists()
    with running_cloud(data, "--config", str(config)) as cloud:
        found = _described(cloud)
        assert found["Status"] == "TRAINED"
        result = json.loads((bucket / found["EvaluationResult"]["Key"]).read_text())
        assert result["EvaluationDetails"]["NumberOfTestingImages"] == 4
        assert found["Performance"]["F1Score"] == result["AggregatedEvaluationResults"]["Metrics"]["F1Score"]
