"""The clients that users have, unchanged and from fresh environments, against a running endpoint."""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from tests.support.cloud import Cloud, running_cloud, with_profile
from tests.support.daemon import running_daemon, wait_until
from tests.support.environments import Environments
from tests.support.fakes import write_echo
from tests.support.parts import write_folders

#: packages are fetched first, which takes as long as the network does
pytestmark = [pytest.mark.long, pytest.mark.timeout(1200)]

#: a project from pictures to verdicts, as the notebooks of PyPI's package go
_PYPI = """
import json, sys
from lookoutvision.lookoutvision import LookoutForVision
from lookoutvision.manifest import Manifest
from lookoutvision.metrics import Metrics

pictures = sys.argv[1]
l4v = LookoutForVision(project_name="plates-from-pypi")
l4v.create_project()
mft = Manifest(bucket="line-1", s3_path="sets/", datasets=["training", "test"])
manifests = mft.push_manifests()
print(l4v.create_datasets(manifests, wait=True))
made = l4v.fit(output_bucket="line-1", model_prefix="results/", train_and_test=True, wait=True)
assert made["status"] == "Success!", made
met = Metrics(project_name="plates-from-pypi")
print(met.describe_model(model_version="1"))
print(met.describe_models())
hosted = l4v.deploy(model_version="1", wait=True)
assert hosted["status"] == "HOSTED", hosted
bad = l4v.predict(local_file=pictures + "/anomaly/bad-0.png", content_type="image/png")
good = l4v.predict(bucket="line-1", key="sets/test/normal/good-0.png", content_type="image/png")
l4v.batch_predict(model_version="1", input_bucket="line-1", input_prefix="sets/test/", output_bucket="line-1",
                  output_prefix="predicted/", content_type="image/png")
l4v.stop_model(model_version="1", wait=True)
l4v.lv.delete_model(ProjectName="plates-from-pypi", ModelVersion="1")
for kind in ("train", "test"):
    l4v.lv.delete_dataset(ProjectName="plates-from-pypi", DatasetType=kind)
l4v.lv.delete_project(ProjectName="plates-from-pypi")
print("RESULT " + json.dumps([bad["IsAnomalous"], good["IsAnomalous"]]))
"""

#: from the guide: list, start, wait, ask, look at labels, stop
_BOTO3 = """
import json, sys, time
import boto3

session = boto3.Session(profile_name="lookoutvision-access")
client = session.client("lookoutvision")
print([p["ProjectName"] for page in client.get_paginator("list_projects").paginate() for p in page["Projects"]])
model = {"ProjectName": "plates", "ModelVersion": "1"}
client.start_model(MinInferenceUnits=1, **model)
while client.describe_model(**model)["ModelDescription"]["Status"] == "STARTING_HOSTING":
    time.sleep(10)
with open(sys.argv[1], "rb") as image:  # a file, not bytes
    found = client.detect_anomalies(ContentType="image/png", Body=image, **model)["DetectAnomalyResult"]
coverage = {a["Name"]: a["PixelAnomaly"]["TotalPercentageArea"] for a in found["Anomalies"]}
try:
    client.describe_project(ProjectName="none")
except client.exceptions.ResourceNotFoundException as error:
    missing = error.response["ResourceId"]
client.stop_model(**model)
while client.describe_model(**model)["ModelDescription"]["Status"] != "TRAINED":
    time.sleep(10)
print("RESULT " + json.dumps([found["IsAnomalous"], sorted(coverage), len(found["AnomalyMask"]) > 60, missing]))
"""

_NODE = """
const fs = require("fs");
const { LookoutVisionClient, ListProjectsCommand, StartModelCommand, StopModelCommand, DescribeModelCommand,
  DetectAnomaliesCommand, DescribeProjectCommand, TagResourceCommand, ListTagsForResourceCommand,
  paginateListProjects } = require("@aws-sdk/client-lookoutvision");
const client = new LookoutVisionClient({ endpoint: process.env.AWS_ENDPOINT_URL_LOOKOUTVISION });
const model = { ProjectName: "plates", ModelVersion: "1" };
const status = async () => (await client.send(new DescribeModelCommand(model))).ModelDescription;
const until = async (wanted) => {
  while ((await status()).Status !== wanted) await new Promise((resolve) => setTimeout(resolve, 100));
};
(async () => {
  const projects = [];
  for await (const page of paginateListProjects({ client, pageSize: 1 }, {})) projects.push(...page.Projects);
  await client.send(new StartModelCommand({ ...model, MinInferenceUnits: 1 }));
  await until("HOSTED");
  const path = process.argv[2];
  const ask = (Body) => client.send(new DetectAnomaliesCommand({ ...model, ContentType: "image/png", Body }));
  const bytes = (await ask(fs.readFileSync(path))).DetectAnomalyResult;
  const streamed = (await ask(fs.createReadStream(path))).DetectAnomalyResult;
  const arn = (await status()).ModelArn;
  await client.send(new TagResourceCommand({ ResourceArn: arn, Tags: [{ Key: "from", Value: "node" }] }));
  const tags = (await client.send(new ListTagsForResourceCommand({ ResourceArn: arn }))).Tags;
  let error = null;
  try { await client.send(new DescribeProjectCommand({ ProjectName: "none" })); } catch (e) { error = e; }
  await client.send(new StopModelCommand(model));
  await until("TRAINED");
  console.log("RESULT " + JSON.stringify([projects.length, bytes.IsAnomalous, bytes.Confidence === streamed.Confidence,
    bytes.AnomalyMask.length > 60, tags[0].Value, error.name, error.ResourceType]));
})().catch((e) => { console.error(e); process.exit(1); });
"""


class Place(NamedTuple):
    cloud: Cloud
    root: Path
    picture: Path


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    """An endpoint whose bucket `line-1` is a folder, and a model that was built elsewhere."""
    root = tmp_path_factory.mktemp("clients")
    data, bucket = root / "studio", root / "bucket"
    write_folders(bucket / "sets" / "training", normal=12, anomaly=12)
    test = write_folders(bucket / "sets" / "test", normal=10, anomaly=10, first=100)
    write_echo(data / "models", "plates", 128, 96)
    (root / "config.toml").write_text(f'[buckets]\nline-1 = "{bucket}"\n')
    (root / "agent").mkdir()
    with (
        running_daemon(root / "agent", models=data / "deployed") as agent,
        running_cloud(data, "--config", str(root / "config.toml"), agent=agent.socket) as cloud,
    ):
        cloud.client().create_project(ProjectName="plates")
        yield Place(cloud, root, test / "normal" / "good-1.png")


def _run(place: Place, *command: str | Path, home: Path | None = None) -> str:
    variables = place.cloud.patient_environment(home or place.cloud.data)
    done = subprocess.run(
        [*map(str, command)], capture_output=True, text=True, env=variables, timeout=400, cwd=place.root, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def _result(said: str) -> Any:
    (line,) = [line for line in said.splitlines() if line.startswith("RESULT ")]
    return json.loads(line.removeprefix("RESULT "))


def test_pypis_package_goes_from_pictures_to_verdicts(place: Place, environments: Environments) -> None:
    """With boto3 1.40.60, the last that has the client."""
    python = environments.python("lookoutvision==0.1.10", "boto3==1.40.60", "botocore==1.40.60")
    script = place.root / "pypi.py"
    script.write_text(_PYPI)
    said = _run(place, python.program, script, place.root / "bucket" / "sets" / "test")
    assert _result(said) == [True, False]
    result = json.loads((place.root / "bucket" / "results" / "EvaluationResult-plates-from-pypi-1.json").read_text())
    assert result["EvaluationDetails"]["NumberOfTestingImages"] == 20
    predicted = sorted((place.root / "bucket" / "predicted").iterdir())
    assert len(predicted) == 20


def test_the_newest_boto3_has_the_client_again(place: Place, environments: Environments) -> None:
    python = environments.python("boto3")
    script = place.root / "newest.py"
    script.write_text(_BOTO3)
    home = with_profile(place.cloud, place.root / "home-of-boto3")
    said = _run(place, python.program, script, place.picture, home=home)
    assert _result(said) == [False, ["background", "bright"], True, "none"]


def test_the_aws_cli_has_the_commands_again(place: Place, environments: Environments) -> None:
    python = environments.python("awscli")
    home = with_profile(place.cloud, place.root / "home-of-the-cli")
    aws = python.folder / "bin" / "aws"

    def ask(*words: str | Path) -> Any:
        said = _run(place, aws, *words, "--profile", "lookoutvision-access", home=home)
        return json.loads(said) if said.strip() else {}

    model = ("--project-name", "plates", "--model-version", "1")
    assert [p["ProjectName"] for p in ask("lookoutvision", "list-projects")["Projects"]] == ["plates"]
    assert ask("lookoutvision", "start-model", *model, "--min-inference-units", "1") == {"Status": "STARTING_HOSTING"}
    while ask("lookoutvision", "describe-model", *model)["ModelDescription"]["Status"] != "HOSTED":
        pass
    found = ask("lookoutvision", "detect-anomalies", *model, "--content-type", "image/png", "--body", place.picture)
    assert found["DetectAnomalyResult"]["IsAnomalous"] is False
    assert ask("lookoutvision", "stop-model", *model) == {"Status": "STOPPING_HOSTING"}
    while ask("lookoutvision", "describe-model", *model)["ModelDescription"]["Status"] != "TRAINED":
        pass
    assert "bad-0.png" in _run(place, aws, "s3", "ls", "s3://line-1/sets/test/anomaly/", home=home)


def test_the_client_for_javascript_works(place: Place) -> None:
    if shutil.which("npm") is None:
        pytest.skip("there is no npm; install nodejs and npm")
    folder = place.root / "node"
    folder.mkdir()
    (folder / "package.json").write_text("{}")
    install = ["npm", "install", "--no-audit", "--no-fund", "--silent", "@aws-sdk/client-lookoutvision@3.918.0"]
    done = subprocess.run(install, cwd=folder, capture_output=True, text=True, check=False)
    if done.returncode:
        pytest.skip(f"npm can't install the client: {done.stderr[-300:]}")
    (folder / "flow.js").write_text(_NODE)
    node = shutil.which("node")
    assert node is not None
    said = _run(place, node, folder / "flow.js", place.picture)
    assert _result(said) == [1, False, True, True, "node", "ResourceNotFoundException", "PROJECT"]


def test_a_packaging_job_leaves_artifact_and_recipe_in_its_bucket(place: Place) -> None:
    lv = place.cloud.client()
    chosen = {
        "TargetPlatform": {"Os": "LINUX", "Arch": "X86_64"},
        "S3OutputLocation": {"Bucket": "line-1", "Prefix": "packaged"},
        "ComponentName": "plates.model",
        "ComponentVersion": "2.0.0",
        "Tags": [{"Key": "line", "Value": "1"}],
    }
    asked = {"ProjectName": "plates", "ModelVersion": "1", "JobName": "job-1", "Configuration": {"Greengrass": chosen}}
    assert lv.start_model_packaging_job(**asked)["JobName"] == "job-1"
    found: dict[str, Any] = {}

    def ended() -> bool:
        job = lv.describe_model_packaging_job(ProjectName="plates", JobName="job-1")
        found.update(job["ModelPackagingDescription"])
        return found["Status"] not in ("CREATED", "RUNNING")

    wait_until(ended, "the job has ended")
    assert found["Status"] == "SUCCEEDED", found
    assert found["ModelPackagingConfiguration"] == {"Greengrass": chosen}
    assert found["ModelPackagingOutputDetails"]["Greengrass"]["ComponentVersion"] == "2.0.0"
    folder = place.root / "bucket" / "packaged" / "plates.model" / "2.0.0"
    assert sorted(path.suffix for path in folder.iterdir()) == [".json", ".zip"]
    (job,) = lv.list_model_packaging_jobs(ProjectName="plates")["ModelPackagingJobs"]
    assert (job["JobName"], job["ModelPackagingMethod"]) == ("job-1", "Greengrass")
    with pytest.raises(lv.exceptions.ConflictException):
        lv.start_model_packaging_job(**asked)
