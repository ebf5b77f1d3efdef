"""Objects that arrive in parts."""

from __future__ import annotations

import io
from typing import Any

import pytest
from boto3.s3.transfer import TransferConfig
from botocore.exceptions import ClientError

from tests.studio.aws.storage.conftest import Place, code

TEN_MIB = bytes(range(256)) * 40960


def test_a_large_file(client: Any, place: Place) -> None:
    config = TransferConfig(multipart_threshold=5 << 20, multipart_chunksize=5 << 20)
    client.upload_fileobj(io.BytesIO(TEN_MIB + b"end"), "pictures", "large.bin", Config=config)
    assert (place.pictures / "large.bin").read_bytes() == TEN_MIB + b"end"
    into = io.BytesIO()
    client.download_fileobj("pictures", "large.bin", into, Config=config)
    assert into.getvalue() == TEN_MIB + b"end"
    assert list((place.pictures / ".edge-agent/uploads").iterdir()) == []


def test_parts_are_held_against_the_list(client: Any) -> None:
    upload = client.create_multipart_upload(Bucket="pictures", Key="parts")["UploadId"]
    where = {"Bucket": "pictures", "Key": "parts", "UploadId": upload}
    first = client.upload_part(**where, PartNumber=1, Body=b"one")["ETag"]
    third = client.upload_part(**where, PartNumber=3, Body=b"three")["ETag"]
    again = client.upload_part(**where, PartNumber=3, Body=b"THREE")["ETag"]
    assert [part["PartNumber"] for part in client.list_parts(**where)["Parts"]] == [1, 3]
    assert upload in [each["UploadId"] for each in client.list_multipart_uploads(Bucket="pictures")["Uploads"]]

    def complete(*parts: tuple[int, str]) -> Any:
        listed = [{"PartNumber": number, "ETag": etag} for number, etag in parts]
        return client.complete_multipart_upload(**where, MultipartUpload={"Parts": listed})

    for wrong, parts in (
        ("InvalidPart", [(1, first), (2, third)]),
        ("InvalidPart", [(1, first), (3, third)]),
        ("InvalidPartOrder", [(3, again), (1, first)]),
    ):
        with pytest.raises(ClientError) as raised:
            complete(*parts)
        assert code(raised) == (wrong, 400)
    complete((1, first), (3, again))
    assert client.get_object(Bucket="pictures", Key="parts")["Body"].read() == b"oneTHREE"
    with pytest.raises(ClientError) as raised:
        complete((1, first))
    assert code(raised) == ("NoSuchUpload", 404)


def test_an_upload_that_is_given_up(client: Any, place: Place) -> None:
    upload = client.create_multipart_upload(Bucket="pictures", Key="given-up")["UploadId"]
    client.upload_part(Bucket="pictures", Key="given-up", UploadId=upload, PartNumber=1, Body=b"one")
    client.abort_multipart_upload(Bucket="pictures", Key="given-up", UploadId=upload)
    assert not (place.pictures / ".edge-agent/uploads" / upload).exists()
    with pytest.raises(ClientError) as raised:
        client.upload_part(Bucket="pictures", Key="given-up", UploadId="../../x", PartNumber=1, Body=b"one")
    assert code(raised) == ("NoSuchUpload", 404)


def test_a_part_of_another_object(client: Any) -> None:
    client.put_object(Bucket="pictures", Key="whole", Body=b"0123456789")
    upload = client.create_multipart_upload(Bucket="pictures", Key="copied")["UploadId"]
    where = {"Bucket": "pictures", "Key": "copied", "UploadId": upload}
    part = client.upload_part_copy(
        **where, PartNumber=1, CopySource={"Bucket": "pictures", "Key": "whole"}, CopySourceRange="bytes=2-4"
    )
    listed = [{"PartNumber": 1, "ETag": part["CopyPartResult"]["ETag"]}]
    client.complete_multipart_upload(**where, MultipartUpload={"Parts": listed})
    assert client.get_object(Bucket="pictures", Key="copied")["Body"].read() == b"234"
