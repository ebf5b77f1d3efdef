"""The guide's examples against a running endpoint: its flow in Python with masks, and each of its commands."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest
from PIL import Image

import edge_agent
from edge_agent.inference.imaging.picture import read_picture
from tests.support import guide_flow
from tests.support.cloud import Cloud, running_cloud, with_profile
from tests.support.daemon import Daemon, running_daemon
from tests.support.environments import Environments
from tests.support.parts import write_folders

#: masks are learned in seconds instead of minutes, with fewer steps on a smaller input; all else is as it is
_BRIEF = """
import sys
if "train" in sys.orig_argv:
    from edge_agent.building.training import features
    from edge_agent.building.training.segmentation import learning
    features._AREA, learning.STEPS = 128 * 96, 100
"""

_PASSING = {
    "CREATE_IN_PROGRESS", "UPDATE_IN_PROGRESS", "TRAINING", "STARTING_HOSTING", "STOPPING_HOSTING", "CREATED",
    "RUNNING",
}  # fmt: skip

pytestmark = [pytest.mark.long, pytest.mark.timeout(1200)]


class Place(NamedTuple):
    cloud: Cloud
    agent: Daemon
    root: Path


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    root = tmp_path_factory.mktemp("guide")
    (root / "agent").mkdir()
    data = root / "studio"
    (root / "brief").mkdir()
    (root / "brief" / "sitecustomize.py").write_text(_BRIEF)
    # One thread: where others want the processor too, several would wait for each other most of the time.
    brief = {"PYTHONPATH": str(root / "brief"), "OMP_NUM_THREADS": "1"}
    with (
        running_daemon(root / "agent", models=data / "deployed") as agent,
        running_cloud(data, agent=agent.socket, environment=brief) as cloud,
    ):
        yield Place(cloud, agent, root)


def test_the_flow_in_python_with_masks(place: Place, environments: Environments) -> None:
    pytest.importorskip("torch")
    parts = place.root / "parts"
    write_folders(parts / "train", normal=10, anomaly=16, masks=True)
    write_folders(parts / "test", normal=4, anomaly=6, masks=True, first=500)
    again = parts / "train" / "normal" / "good-0.png"
    (parts / "updates.manifest").write_text(json.dumps(guide_flow.line_of("train", again)) + "\n")
    python = environments.python("boto3==1.40.60", "botocore==1.40.60", "pillow")
    home = with_profile(place.cloud, place.root / "home")
    verdict = place.root / "verdict.json"
    command = [python.program, guide_flow.__file__, parts, verdict]
    environment = place.cloud.patient_environment(home)
    with subprocess.Popen(
        list(map(str, command)), env=environment, text=True, cwd=place.root,
        stdin=subprocess.PIPE, stdout=subprocess.PIPE,
    ) as flow:  # fmt: skip
        assert flow.stdin is not None
        assert flow.stdout is not None
        try:
            assert flow.stdout.readline() == "HOSTED\n"
            _compare(place, parts / "test", json.loads(verdict.read_text()))
            flow.stdin.write("compared\n")
            flow.stdin.flush()
            said = flow.stdout.read()
        finally:
            flow.kill()
    result = json.loads(said.removeprefix("RESULT "))
    assert result["stats"] == {"Total": 26, "Labeled": 26, "Normal": 10, "Anomaly": 16}
    assert result["exported"] == 26 + 16 + 10 + 6
    assert result["figures"]["F1Score"] > 0.6
    assert place.cloud.client().list_projects()["Projects"] == []


def _compare(place: Place, test: Path, answers: dict[str, Any]) -> None:
    """See that the agent gives the same verdict, areas and mask through shared memory."""
    assert len(answers) == 10
    with edge_agent.Client(place.agent.socket) as client:
        for name, found in answers.items():
            same = client.detect(f"{guide_flow.PROJECT}.1", read_picture(test / name))
            assert (found["Confidence"], found["IsAnomalous"]) == (same.confidence, same.is_anomalous)
            areas = [
                (a["Name"], a["PixelAnomaly"]["TotalPercentageArea"], a["PixelAnomaly"]["Color"])
                for a in found["Anomalies"]
            ]
            assert areas == [(area.label, area.fraction, area.color) for area in same.areas]
            assert {label for label, _, _ in areas} <= {"background", "scratch", "dent"}
            sent = place.root / f"{name.replace('/', '-').removesuffix('.png')}-mask.png"
            assert same.mask is not None
            assert (np.asarray(Image.open(sent)) == same.mask).all()
    sure = [found["decided"][0] for name, found in answers.items() if name.startswith("anomaly/")]
    assert sum(sure) >= 4
    assert not all(found["decided"][2] for found in answers.values())
    covered = [found for name, found in answers.items() if name.startswith("anomaly/") and found["decided"][1]]
    assert covered


def test_each_of_its_commands(place: Place, environments: Environments) -> None:
    """With the newest AWS CLI of version 1, and the values that the guide leaves open."""
    aws = environments.python("awscli").folder / "bin" / "aws"
    environment = place.cloud.patient_environment(with_profile(place.cloud, place.root / "home-of-the-cli"))
    board = write_folders(place.root / "board", normal=10, anomaly=10)
    lines = [
        {key: value for key, value in guide_flow.line_of("board", path).items() if "mask" not in key}
        for path in sorted(board.glob("*/*.png"))
    ]
    text = "".join(json.dumps(line).replace(guide_flow.BUCKET, "from-the-cli") + "\n" for line in lines)
    (board / "train.manifest").write_text(text)
    (place.root / "updates.manifest").write_text(text.splitlines()[0] + "\n")

    def run(*words: str | Path) -> str:
        command = [str(aws), *map(str, words), "--profile", "lookoutvision-access"]
        done = subprocess.run(command, capture_output=True, text=True, env=environment, cwd=place.root, check=False)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def lookout(*words: str | Path) -> Any:
        return json.loads(run("lookoutvision", *words) or "{}")

    def until(part: str, status: str, *words: str) -> dict[str, Any]:
        while True:
            found: dict[str, Any] = lookout(*words)[part]
            if found["Status"] == status:
                return found
            assert found["Status"] in (_PASSING | {"TRAINED"}), found

    project, model = ("--project-name", "circuitboard"), ("--model-version", "1")
    train = ("--dataset-type", "train")
    run("s3api", "create-bucket", "--bucket", "from-the-cli")
    run("s3", "cp", "--recursive", board, "s3://from-the-cli/board")
    assert lookout("create-project", *project)["ProjectMetadata"]["ProjectName"] == "circuitboard"
    assert [found["ProjectName"] for found in lookout("list-projects")["Projects"]] == ["circuitboard"]
    manifest = {"GroundTruthManifest": {"S3Object": {"Bucket": "from-the-cli", "Key": "board/train.manifest"}}}
    lookout("create-dataset", *project, *train, "--dataset-source", json.dumps(manifest))
    until("DatasetDescription", "CREATE_COMPLETE", "describe-dataset", *project, *train)
    lookout("update-dataset-entries", *project, *train, "--changes", "fileb://updates.manifest")
    until("DatasetDescription", "UPDATE_COMPLETE", "describe-dataset", *project, *train)
    assert [one["DatasetType"] for one in lookout("describe-project", *project)["ProjectDescription"]["Datasets"]] == [
        "train"
    ]
    output = json.dumps({"S3Location": {"Bucket": "from-the-cli", "Prefix": "out"}})
    tags = json.dumps([{"Key": "Key", "Value": "Value"}])
    arn = lookout("create-model", *project, "--output-config", output, "--tags", tags)["ModelMetadata"]["ModelArn"]
    until("ModelDescription", "TRAINED", "describe-model", *project, *model)
    assert lookout("list-models", *project)["Models"][0]["Performance"]["F1Score"] > 0.5
    assert lookout("list-tags-for-resource", "--resource-arn", arn)["Tags"] == json.loads(tags)
    lookout("tag-resource", "--resource-arn", arn, "--tags", json.dumps([{"Key": "More", "Value": "2"}]))
    lookout("untag-resource", "--resource-arn", arn, "--tag-keys", json.dumps(["Key"]))
    assert lookout("list-tags-for-resource", "--resource-arn", arn)["Tags"] == [{"Key": "More", "Value": "2"}]
    units = ("--min-inference-units", "1", "--max-inference-units", "2")
    assert lookout("start-model", *project, *model, *units)["Status"] == "STARTING_HOSTING"
    assert until("ModelDescription", "HOSTED", "describe-model", *project, *model)["MaxInferenceUnits"] == 2
    bad = ("--content-type", "image/png", "--body", board / "anomaly" / "bad-0.png")
    assert lookout("detect-anomalies", *project, *model, *bad)["DetectAnomalyResult"]["IsAnomalous"] is True
    assert lookout("stop-model", *project, *model)["Status"] == "STOPPING_HOSTING"
    until("ModelDescription", "TRAINED", "describe-model", *project, *model)
    place_ = "S3OutputLocation={Bucket='from-the-cli',Prefix='packages'},ComponentName='board'"
    tagged = "Tags=[{Key='tag_key1',Value='tag_value1'},{Key='tag_key2',Value='tag_value2'}]"
    for name, target in (
        ("for-a-processor", "TargetPlatform={Os='LINUX',Arch='X86_64'},ComponentVersion='1.0.0'"),
        (
            "for-a-gpu",
            "TargetPlatform={Os='LINUX',Arch='X86_64',Accelerator='NVIDIA'},ComponentVersion='1.0.1',"
            'CompilerOptions=\'{"gpu-code": "sm_75", "trt-ver": "10.0.0", "cuda-ver": "12.4"}\'',
        ),
        ("for-a-device", "TargetDevice='jetson_xavier',ComponentVersion='1.0.2'"),
    ):
        configuration = f"Greengrass={{{target},{place_},{tagged}}}"
        words = ("--job-name", name, "--description=Packaging for the line", "--configuration", configuration)
        assert lookout("start-model-packaging-job", *project, *model, *words)["JobName"] == name
        found = until(
            "ModelPackagingDescription", "SUCCEEDED", "describe-model-packaging-job", *project, "--job-name", name
        )
        assert found["ModelPackagingOutputDetails"]["Greengrass"]["ComponentName"] == "board"
    jobs = lookout("list-model-packaging-jobs", *project)["ModelPackagingJobs"]
    assert [job["JobName"] for job in jobs] == ["for-a-processor", "for-a-gpu", "for-a-device"]
    assert run("s3", "ls", "--recursive", "s3://from-the-cli/packages").count(".zip\n") == 3
    lookout("delete-model", *project, *model)
    lookout("delete-dataset", *project, *train)
    lookout("delete-project", *project)
    assert lookout("list-projects")["Projects"] == []
