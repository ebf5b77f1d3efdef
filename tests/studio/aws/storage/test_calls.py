"""What scripts do with S3, by the client that they use."""

from __future__ import annotations

import hashlib
import http.client
import os
from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore.exceptions import ClientError

from edge_agent.errors import ServiceRefused
from edge_agent.studio.aws.storage.buckets import Buckets
from tests.studio.aws.storage.conftest import Place, code
from tests.studio.aws.storage.test_keys import ODD

TEN_MIB = bytes(range(256)) * 40960


def test_a_bucket_is_made_filled_listed_emptied_and_removed(client: Any, place: Place) -> None:
    client.create_bucket(Bucket="new-bucket", CreateBucketConfiguration={"LocationConstraint": "eu-west-1"})
    client.head_bucket(Bucket="new-bucket")
    put = client.put_object(
        Bucket="new-bucket", Key="train/normal/1.png", Body=b"pixels", ContentType="image/png",
        Metadata={"Line": "3"}, CacheControl="no-cache", ServerSideEncryption="AES256",
    )  # fmt: skip
    assert put["ETag"] == f'"{hashlib.md5(b"pixels").hexdigest()}"'
    assert put["ServerSideEncryption"] == "AES256"
    assert (place.made / "new-bucket/train/normal/1.png").read_bytes() == b"pixels"
    got = client.get_object(Bucket="new-bucket", Key="train/normal/1.png")
    assert got["Body"].read() == b"pixels"
    assert (got["ContentType"], got["Metadata"], got["CacheControl"]) == ("image/png", {"line": "3"}, "no-cache")
    assert got["ETag"] == put["ETag"]
    assert "new-bucket" in [bucket["Name"] for bucket in client.list_buckets()["Buckets"]]
    with pytest.raises(ClientError) as raised:
        client.delete_bucket(Bucket="new-bucket")
    assert code(raised) == ("BucketNotEmpty", 409)
    client.delete_object(Bucket="new-bucket", Key="train/normal/1.png")
    client.delete_object(Bucket="new-bucket", Key="train/normal/1.png")
    client.delete_bucket(Bucket="new-bucket")
    assert not (place.made / "new-bucket").exists()
    with pytest.raises(ClientError) as raised:
        client.head_bucket(Bucket="new-bucket")
    assert code(raised) == ("404", 404)


def test_a_bucket_that_is_there_or_can_not_be(client: Any) -> None:
    with pytest.raises(ClientError) as raised:
        client.create_bucket(Bucket="pictures")
    assert code(raised) == ("BucketAlreadyOwnedByYou", 409)
    with pytest.raises(ClientError) as raised:
        client.create_bucket(Bucket="Big.Letters")
    assert code(raised) == ("InvalidBucketName", 400)
    with pytest.raises(ClientError, match=r"its folder .*gone of the configuration is not there") as raised:
        client.list_objects_v2(Bucket="gone")
    assert code(raised) == ("NoSuchBucket", 404)
    with pytest.raises(ClientError) as raised:
        client.delete_bucket(Bucket="pictures")
    assert code(raised) == ("AccessDenied", 403)


def test_what_a_person_copied_into_the_folder_is_there(client: Any, place: Place) -> None:
    (place.pictures / "by hand").mkdir()
    (place.pictures / "by hand/ä 50%25.png").write_bytes(b"copied")
    listed = client.list_objects_v2(Bucket="pictures", Prefix="by hand/")["Contents"]
    assert [each["Key"] for each in listed] == ["by hand/ä 50%25.png"]
    assert client.get_object(Bucket="pictures", Key="by hand/ä 50%25.png")["Body"].read() == b"copied"
    assert client.get_object(Bucket="pictures", Key="by hand/ä 50%25.png")["ContentType"] == "image/png"


# A line break in a header or a key of 1024 bytes that grows by its encoding is the client's own affair.
@pytest.mark.parametrize("key", ODD, ids=range(len(ODD)))
def test_odd_keys_are_kept(client: Any, place: Place, key: str) -> None:
    client.put_object(Bucket="pictures", Key=key, Body=key.encode())
    try:
        assert client.get_object(Bucket="pictures", Key=key)["Body"].read() == key.encode()
        prefix = key[:1] if key.isprintable() else ""
        pages = client.get_paginator("list_objects_v2").paginate(Bucket="pictures", Prefix=prefix)
        assert key in [each["Key"] for page in pages for each in page.get("Contents", ())]
        outside = [path for path in place.pictures.parent.iterdir() if path.name not in ("pictures", "made")]
        assert outside == []
    finally:
        client.delete_object(Bucket="pictures", Key=key)
    with pytest.raises(ClientError):
        client.head_object(Bucket="pictures", Key=key)


def test_a_header_alone_is_kept(client: Any) -> None:
    client.put_object(Bucket="pictures", Key="cached.png", Body=b"x", ContentType="image/png", CacheControl="no-cache")
    assert client.head_object(Bucket="pictures", Key="cached.png")["CacheControl"] == "no-cache"


def test_an_object_and_others_below_its_name(client: Any) -> None:
    for key in ("both", "both/below", "both/below/further"):
        client.put_object(Bucket="pictures", Key=key, Body=key.encode())
    for key in ("both", "both/below", "both/below/further"):
        assert client.get_object(Bucket="pictures", Key=key)["Body"].read() == key.encode()
    level = client.list_objects_v2(Bucket="pictures", Prefix="bo", Delimiter="/")
    assert [each["Key"] for each in level["Contents"]] == ["both"]
    assert [each["Prefix"] for each in level["CommonPrefixes"]] == ["both/"]
    client.delete_object(Bucket="pictures", Key="both/below")
    assert client.get_object(Bucket="pictures", Key="both/below/further")["Body"].read() == b"both/below/further"


def test_a_link_leads_nowhere_else(client: Any, place: Place, tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("secret")
    (place.pictures / "link").symlink_to(tmp_path / "secret")
    (place.pictures / "links").symlink_to(tmp_path)
    for key in ("link", "links/secret"):
        with pytest.raises(ClientError) as raised:
            client.get_object(Bucket="pictures", Key=key)
        assert code(raised) == ("NoSuchKey", 404)
    with pytest.raises(ClientError) as raised:
        client.put_object(Bucket="pictures", Key="links/new", Body=b"")
    assert code(raised) == ("AccessDenied", 403)
    assert list(tmp_path.iterdir()) == [tmp_path / "secret"]


class TestListing:
    @pytest.fixture(scope="class", autouse=True)
    @classmethod
    def keys(cls, client: Any) -> list[str]:
        client.create_bucket(Bucket="listed")
        keys = [f"{folder}/{number:03}.png" for folder in ("a", "a-b", "b/c") for number in range(25)] + ["a.txt", "z"]
        for key in keys:
            client.put_object(Bucket="listed", Key=key, Body=b"x")
        return sorted(keys)

    @pytest.mark.parametrize("call", ["list_objects", "list_objects_v2"])
    def test_in_pages(self, client: Any, keys: list[str], call: str) -> None:
        pages = list(client.get_paginator(call).paginate(Bucket="listed", PaginationConfig={"PageSize": 7}))
        assert [each["Key"] for page in pages for each in page["Contents"]] == keys
        assert len(pages) == -(-len(keys) // 7)

    @pytest.mark.parametrize("call", ["list_objects", "list_objects_v2"])
    @pytest.mark.parametrize("size", [1, 2, 1000])
    def test_one_level(self, client: Any, call: str, size: int) -> None:
        pages = list(
            client.get_paginator(call).paginate(Bucket="listed", Delimiter="/", PaginationConfig={"PageSize": size})
        )
        assert [each["Prefix"] for page in pages for each in page.get("CommonPrefixes", ())] == ["a-b/", "a/", "b/"]
        assert [each["Key"] for page in pages for each in page.get("Contents", ())] == ["a.txt", "z"]

    def test_another_delimiter(self, client: Any) -> None:
        found = client.list_objects_v2(Bucket="listed", Prefix="a", Delimiter="00")
        assert [each["Prefix"] for each in found["CommonPrefixes"]] == ["a-b/00", "a/00"]

    def test_start_after(self, client: Any, keys: list[str]) -> None:
        found = client.list_objects_v2(Bucket="listed", StartAfter="b/c/010.png")
        assert [each["Key"] for each in found["Contents"]] == [key for key in keys if key > "b/c/010.png"]

    def test_arguments_that_are_none(self, client: Any) -> None:
        with pytest.raises(ClientError, match="is no continuation token") as raised:
            client.list_objects_v2(Bucket="listed", ContinuationToken="ä!")
        assert code(raised) == ("InvalidArgument", 400)

    def test_removing_many(self, client: Any) -> None:
        answer = client.delete_objects(Bucket="listed", Delete={"Objects": [{"Key": "z"}, {"Key": "not there"}]})
        assert [each["Key"] for each in answer["Deleted"]] == ["z", "not there"]
        client.put_object(Bucket="listed", Key="z", Body=b"x")


class TestReading:
    @pytest.fixture(scope="class", autouse=True)
    @classmethod
    def put(cls, client: Any) -> None:
        client.put_object(Bucket="pictures", Key="digits", Body=b"0123456789")

    @pytest.mark.parametrize(
        ("asked", "content", "where"),
        [
            ("bytes=0-3", b"0123", "bytes 0-3/10"),
            ("bytes=4-", b"456789", "bytes 4-9/10"),
            ("bytes=-3", b"789", "bytes 7-9/10"),
            ("bytes=8-100", b"89", "bytes 8-9/10"),
        ],
    )
    def test_ranges(self, client: Any, asked: str, content: bytes, where: str) -> None:
        got = client.get_object(Bucket="pictures", Key="digits", Range=asked)
        assert (got["Body"].read(), got["ContentRange"]) == (content, where)
        assert got["ResponseMetadata"]["HTTPStatusCode"] == 206

    def test_a_range_behind_the_end(self, client: Any) -> None:
        with pytest.raises(ClientError, match="has 10 bytes, bytes=10- is not in it") as raised:
            client.get_object(Bucket="pictures", Key="digits", Range="bytes=10-")
        assert code(raised) == ("InvalidRange", 416)

    @pytest.mark.parametrize("asked", ["bytes=5-2", "lines=1-2", "bytes=-", "bytes=0-1,3-4"])
    def test_what_is_no_range_is_ignored(self, client: Any, asked: str) -> None:
        assert client.get_object(Bucket="pictures", Key="digits", Range=asked)["Body"].read() == b"0123456789"

    def test_conditions(self, client: Any) -> None:
        etag = client.head_object(Bucket="pictures", Key="digits")["ETag"]
        assert client.get_object(Bucket="pictures", Key="digits", IfMatch=etag)["Body"].read() == b"0123456789"
        with pytest.raises(ClientError) as raised:
            client.get_object(Bucket="pictures", Key="digits", IfNoneMatch=etag)
        assert code(raised) == ("304", 304)
        with pytest.raises(ClientError) as raised:
            client.get_object(Bucket="pictures", Key="digits", IfMatch='"other"')
        assert code(raised) == ("PreconditionFailed", 412)
        with pytest.raises(ClientError) as raised:
            client.put_object(Bucket="pictures", Key="digits", Body=b"new", IfNoneMatch="*")
        assert code(raised) == ("PreconditionFailed", 412)
        assert client.get_object(Bucket="pictures", Key="digits")["Body"].read() == b"0123456789"

    def test_an_empty_object(self, client: Any) -> None:
        client.put_object(Bucket="pictures", Key="empty", Body=b"")
        got = client.get_object(Bucket="pictures", Key="empty")
        assert (got["Body"].read(), got["ContentLength"]) == (b"", 0)

    def test_what_is_not_there(self, client: Any) -> None:
        with pytest.raises(ClientError, match="bucket 'pictures' has no object 'nothing'") as raised:
            client.get_object(Bucket="pictures", Key="nothing")
        assert code(raised) == ("NoSuchKey", 404)
        with pytest.raises(ClientError) as raised:
            client.head_object(Bucket="pictures", Key="nothing")
        assert code(raised) == ("404", 404)


def test_copies_keep_what_was_said_unless_they_say_otherwise(client: Any) -> None:
    client.put_object(Bucket="pictures", Key="from", Body=b"x", ContentType="image/x-odd", Metadata={"a": "1"})
    source = {"Bucket": "pictures", "Key": "from"}
    client.copy_object(Bucket="pictures", Key="to", CopySource=source)
    got = client.head_object(Bucket="pictures", Key="to")
    assert (got["ContentType"], got["Metadata"]) == ("image/x-odd", {"a": "1"})
    client.copy_object(Bucket="pictures", Key="to", CopySource=source, MetadataDirective="REPLACE", Metadata={"b": "2"})
    assert client.head_object(Bucket="pictures", Key="to")["Metadata"] == {"b": "2"}


def test_a_content_that_is_not_what_it_says_is_not_kept(client: Any, place: Place) -> None:
    with pytest.raises(ClientError, match="MD5") as raised:
        client.put_object(Bucket="pictures", Key="spoilt", Body=b"x", ContentMD5="AAAAAAAAAAAAAAAAAAAAAA==")
    assert code(raised) == ("BadDigest", 400)
    with pytest.raises(ClientError, match="CRC32") as raised:
        client.put_object(Bucket="pictures", Key="spoilt", Body=b"x", ChecksumCRC32="AAAAAA==")
    assert code(raised) == ("BadDigest", 400)
    assert not (place.pictures / "spoilt").exists()
    assert [file for file in (place.pictures / ".edge-agent").iterdir() if file.is_file()] == []


@pytest.mark.parametrize("algorithm", ["CRC32", "SHA1", "SHA256"])
def test_checksums_come_back(client: Any, algorithm: str) -> None:
    put = client.put_object(Bucket="pictures", Key="summed", Body=b"x", ChecksumAlgorithm=algorithm)
    assert put[f"Checksum{algorithm}"]


@pytest.mark.parametrize(
    ("frames", "kept"),
    [
        (b"4\r\nwiki\r\n3\r\nned\r\n0\r\nx-amz-checksum-crc32:CRC\r\n\r\n", b"wikined"),
        (b"4\r\nwiki\r\n3\r\nned\r\n0\r\nx-amz-checksum-crc32:AAAAAA==\r\n\r\n", None),
        (b"4\r\nwiki\r\n3\r\nne", None),
        (b"zz\r\n", None),
        (b"x" * 10_000, None),
    ],
)
def test_frames_of_aws_chunked(place: Place, frames: bytes, kept: bytes | None) -> None:
    import base64
    import zlib

    right = base64.b64encode(zlib.crc32(b"wikined").to_bytes(4, "big"))
    body = frames.replace(b"CRC", right)
    connection = http.client.HTTPConnection(place.address.removeprefix("http://"))
    headers = {
        "x-amz-content-sha256": "STREAMING-UNSIGNED-PAYLOAD-TRAILER", "x-amz-decoded-content-length": "7",
        "x-amz-trailer": "x-amz-checksum-crc32", "content-encoding": "aws-chunked",
    }  # fmt: skip
    connection.request("PUT", "/pictures/framed", body, headers)
    assert connection.getresponse().status == (200 if kept else 400)
    connection.close()
    if kept:
        assert (place.pictures / "framed").read_bytes() == kept
        (place.pictures / "framed").unlink()
    assert not (place.pictures / "framed").exists()


def test_what_a_person_may_not_write_is_said(place: Place, client: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> None:
        raise OSError(28, os.strerror(28), "pictures")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(ClientError, match="No space left on device") as raised:
        client.put_object(Bucket="pictures", Key="no-room", Body=b"x")
    assert code(raised) == ("InternalError", 500)
    assert not (place.pictures / "no-room").exists()


@pytest.mark.parametrize(
    "document",
    [b"", b"<", b"<Delete/>", b'<!DOCTYPE a [<!ENTITY b "c">]><Delete><Object><Key>&b;</Key></Object></Delete>',
     '<?xml version="1.0" encoding="utf-16"?><!DOCTYPE a [<!ENTITY b "c">]><Delete/>'.encode("utf-16"),
     b'<?xml version="1.0" encoding="klingon"?><Delete/>'],
)  # fmt: skip
def test_documents_that_can_not_be_read(place: Place, document: bytes) -> None:
    connection = http.client.HTTPConnection(place.address.removeprefix("http://"))
    connection.request("POST", "/pictures?delete", document)
    answer = connection.getresponse()
    assert (answer.status, b"<Code>MalformedXML</Code>" in answer.read()) == (400, True)
    connection.close()


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [("GET", "/pictures?versioning", 501), ("PUT", "/pictures/x?acl", 501), ("PATCH", "/pictures/x", 405),
     ("GET", "/pictures/%ff", 400), ("DELETE", "/", 405), ("GET", "/pictures/%00", 404)],
)  # fmt: skip
def test_calls_that_are_not_here(place: Place, method: str, path: str, status: int) -> None:
    connection = http.client.HTTPConnection(place.address.removeprefix("http://"))
    connection.request(method, path)
    assert connection.getresponse().status == status
    connection.close()


class TestOfTheApi:
    """What the service's own operations do with buckets."""

    def test_a_folder(self, place: Place, tmp_path: Path) -> None:
        place.buckets.write("pictures", "out/result.json", b"{}")
        assert place.buckets.read("pictures", "out/result.json") == b"{}"
        assert place.buckets.list("pictures", "out/") == ["out/result.json"]
        assert place.buckets.open("pictures", "out/result.json", tmp_path) == place.pictures / "out/result.json"
        with pytest.raises(ServiceRefused, match="bucket 'pictures' has no object 'none'"):
            place.buckets.read("pictures", "none")

    def test_another_s3(self, place: Place, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("AWS_ACCESS_KEY_ID", "key")
        monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret")
        monkeypatch.setenv("AWS_DEFAULT_REGION", "local")
        buckets = Buckets(tmp_path / "made", {"far": f"{place.address}/pictures", "dead": "http://127.0.0.1:9/b"})
        buckets.write("far", "far/result.json", b"{}")
        assert (place.pictures / "far/result.json").read_bytes() == b"{}"
        assert buckets.read("far", "far/result.json") == b"{}"
        assert buckets.list("far", "far/") == ["far/result.json"]
        assert buckets.open("far", "far/result.json", tmp_path / "fetched").read_bytes() == b"{}"
        with pytest.raises(ServiceRefused, match=r"object 'none' of bucket 'pictures' at .* is not there"):
            buckets.read("far", "none")
        with pytest.raises(ServiceRefused, match=r"object 'x' of bucket 'b' at http://127\.0\.0\.1:9/b can't be had"):
            buckets.read("dead", "x")
        buckets.close()


def test_the_resource_api_of_the_guides_scripts(place: Place, tmp_path: Path) -> None:
    s3 = boto3.resource("s3", **place.account())
    picture = tmp_path / "part 1.png"
    picture.write_bytes(b"pixels" * 100)
    bucket = s3.create_bucket(Bucket="from-a-resource")
    bucket.wait_until_exists()
    bucket.upload_file(str(picture), "train/normal/part 1.png")
    s3.Object("from-a-resource", "train/normal/part 1.png").wait_until_exists()
    bucket.Object("train/train.manifest").put(Body=b"{}\n", ServerSideEncryption="AES256")
    listed = [(each.key, each.size) for each in bucket.objects.filter(Prefix="train/", Delimiter="/")]
    assert listed == [("train/train.manifest", 3)]
    assert [each.key for each in bucket.objects.all()] == ["train/normal/part 1.png", "train/train.manifest"]
    bucket.download_file("train/normal/part 1.png", str(tmp_path / "back.png"))
    assert (tmp_path / "back.png").read_bytes() == picture.read_bytes()
    bucket.objects.all().delete()
    bucket.delete()
    s3.meta.client.close()
    assert not (place.made / "from-a-resource").exists()
