"""What stands elsewhere: clients that come over TLS, and buckets at another S3."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError, SSLError

from edge_agent.studio.aws.keys import AccessKeys
from tests.support.cloud import Cloud, running_cloud
from tests.support.daemon import wait_until
from tests.support.guide_flow import line_of
from tests.support.parts import write_folders

pytestmark = pytest.mark.long


def _certificate(folder: Path, name: str) -> tuple[Path, Path]:
    """Make a certificate for loopback that is its own authority."""
    key, certificate = folder / f"{name}.key", folder / f"{name}.pem"
    command = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-keyout", str(key)]
    command += [
        "-out",
        str(certificate),
        "-days",
        "2",
        "-subj",
        "/CN=edge-agent",
        "-addext",
        "subjectAltName=IP:127.0.0.1",
    ]
    subprocess.run(command, check=True, capture_output=True)
    return certificate, key


def test_clients_come_over_tls_and_sign(tmp_path: Path) -> None:
    certificate, key = _certificate(tmp_path, "device")
    other, _ = _certificate(tmp_path, "other")
    data = tmp_path / "studio"
    owner = AccessKeys(data).add("laptop", "administer")
    with running_cloud(data, "--certificate", str(certificate), "--key", str(key), authority=certificate) as cloud:
        lv = cloud.client(id_=owner.id, secret=owner.secret)
        lv.create_project(ProjectName="plates")
        assert [project["ProjectName"] for project in lv.list_projects()["Projects"]] == ["plates"]
        s3 = cloud.client("s3", owner.id, owner.secret)
        s3.create_bucket(Bucket="over-tls")
        # Over TLS boto3 signs no content, and sends it in chunks with a checksum behind them.
        s3.put_object(Bucket="over-tls", Key="a.json", Body=b"{}")
        assert s3.get_object(Bucket="over-tls", Key="a.json")["Body"].read() == b"{}"
        with pytest.raises(ClientError, match="UnrecognizedClientException"):
            cloud.client().list_projects()
        cloud.authority = other
        with pytest.raises(SSLError):
            cloud.client(id_=owner.id, secret=owner.secret).list_projects()


def _settled(lv: Any, what: str, describe: Any, **asked: str) -> dict[str, Any]:
    found: dict[str, Any] = {}

    def settled() -> bool:
        found.update(describe(**asked)[what])
        return not (found["Status"].endswith("IN_PROGRESS") or found["Status"] == "TRAINING")

    wait_until(settled, f"{asked} is settled")
    return found


def _fill(far: Cloud, root: Path) -> None:
    """Put pictures and their manifest into the bucket `parts` of the other S3."""
    s3 = far.client("s3")
    s3.create_bucket(Bucket="parts")
    lines = []
    for path in sorted(write_folders(root, normal=8, anomaly=8).glob("*/*.png")):
        s3.upload_file(str(path), "parts", f"board/{path.parent.name}/{path.name}")
        line = {key: value for key, value in line_of("board", path).items() if "mask" not in key}
        # The name is the one that it has here.
        line["source-ref"] = f"s3://far/board/{path.parent.name}/{path.name}"
        lines.append(json.dumps(line))
    s3.put_object(Bucket="parts", Key="a.manifest", Body="\n".join(lines).encode())


def test_a_dataset_and_its_results_lie_in_another_s3(tmp_path: Path) -> None:
    keys = {"AWS_ACCESS_KEY_ID": "local", "AWS_SECRET_ACCESS_KEY": "local", "AWS_DEFAULT_REGION": "local"}
    (tmp_path / "there").mkdir()
    with running_cloud(tmp_path / "there" / "studio") as far:
        _fill(far, tmp_path / "board")
        config = tmp_path / "config.toml"
        config.write_text(f'[buckets]\nfar = "{far.address}/parts"\nlost = "{far.address}/lost"\n')
        with running_cloud(tmp_path / "studio", "--config", str(config), environment=keys) as cloud:
            lv = cloud.client()
            lv.create_project(ProjectName="board")
            train = {"ProjectName": "board", "DatasetType": "train"}
            source = {"GroundTruthManifest": {"S3Object": {"Bucket": "far", "Key": "none"}}}
            with pytest.raises(ClientError, match=r"object 'none' of bucket 'parts' at .* is not there"):
                lv.create_dataset(**train, DatasetSource=source)
            source["GroundTruthManifest"]["S3Object"]["Key"] = "a.manifest"
            lv.create_dataset(**train, DatasetSource=source)
            found = _settled(lv, "DatasetDescription", lv.describe_dataset, **train)
            assert (found["Status"], found["ImageStats"]["Labeled"]) == ("CREATE_COMPLETE", 16), found
            with pytest.raises(ClientError, match=r"bucket lost for the results: bucket 'lost' at .* is not there"):
                lv.create_model(ProjectName="board", OutputConfig={"S3Location": {"Bucket": "lost"}})
            lv.create_model(ProjectName="board", OutputConfig={"S3Location": {"Bucket": "far", "Prefix": "out/"}})
            model = _settled(lv, "ModelDescription", lv.describe_model, ProjectName="board", ModelVersion="1")
            assert model["Status"] == "TRAINED", model
        written = far.client("s3").get_object(Bucket="parts", Key="out/EvaluationResult-board-1.json")["Body"].read()
        assert json.loads(written)["EvaluationDetails"]["NumberOfTestingImages"] >= 2
