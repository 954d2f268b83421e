"""S3-compatible object storage, through botocore; the one file that knows it.

Calls block: make them in threads. botocore opens its sockets in Python, so that the socket guard
sees them.
"""

import base64
import hashlib
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, Protocol, cast

from greffier_server.errors import SettingsInvalid
from greffier_server.storage.failures import StorageUnavailable

__all__ = ["Bucket", "ObjectMissing", "ObjectStore", "Place", "open_bucket"]

_CONNECT_TIMEOUT_S = 5
_READ_TIMEOUT_S = 30
_ATTEMPTS = 3
_PIECE_BYTES = 1024 * 1024
_MOST_BYTES = 256 * 1024 * 1024
"""Twice the largest segment: what somebody else put there must not fill the memory."""


class ObjectMissing(Exception):
    """There is no object of this name that could be ours."""


@dataclass(frozen=True, slots=True)
class Place:
    """Where a bucket is, and who may use it."""

    url: str
    bucket: str
    region: str = "us-east-1"
    access_key: str = ""
    """Empty: credentials are looked for as AWS's own tools do."""
    secret_key: str = field(default="", repr=False)
    path_style: bool = True
    """The bucket is part of the path, as most servers of one's own want it."""


class ObjectStore(Protocol):
    """Named bytes that are written once. Every method blocks, and may be called in any thread.

    Each may raise `StorageUnavailable`.
    """

    def put(self, name: str, content: bytes) -> None:
        """Write an object; when this returns, it is stored for good."""
        ...

    def get(self, name: str) -> bytes:
        """Read an object whole.

        Raises:
            ObjectMissing: there is none.
        """
        ...

    def delete(self, name: str) -> None:
        """Delete an object; no error when there is none."""
        ...

    def close(self) -> None:
        """Release connections."""
        ...


class Bucket:
    """`ObjectStore` in a bucket; make one with `open_bucket`."""

    def __init__(self, client: "_Client", bucket: str) -> None:
        self._client = client
        self._bucket = bucket

    def check(self) -> None:
        """Try whether the bucket can be used.

        Raises:
            StorageUnavailable: the message says why not.
        """
        with _translated():
            self._client.head_bucket(Bucket=self._bucket)

    def put(self, name: str, content: bytes) -> None:
        """Write an object; the server checks what arrived against its MD5 (RFC 1864)."""
        # Not for security: it is the one checksum that every S3-compatible server verifies.
        checksum = hashlib.md5(content, usedforsecurity=False).digest()
        with _translated():
            self._client.put_object(
                Bucket=self._bucket,
                Key=name,
                Body=content,
                ContentMD5=base64.b64encode(checksum).decode(),
                ContentType="application/octet-stream",
            )

    def get(self, name: str) -> bytes:
        """Read an object whole.

        Raises:
            ObjectMissing: there is none.
        """
        with _translated():
            answer = self._client.get_object(Bucket=self._bucket, Key=name)
            with cast("_Body", answer["Body"]) as body:
                return _read(body)

    def delete(self, name: str) -> None:
        """Delete an object; no error when there is none."""
        with _translated():
            self._client.delete_object(Bucket=self._bucket, Key=name)

    def close(self) -> None:
        """Release connections."""
        self._client.close()


def open_bucket(place: Place) -> Bucket:
    """Return the bucket without asking for it yet (reads botocore's files: call it in a thread).

    Raises:
        SettingsInvalid: botocore is missing, or the address is no URL.
    """
    try:
        import botocore.session
        from botocore.config import Config
    except ImportError as error:
        raise SettingsInvalid(
            "Object storage needs the package botocore: pip install 'greffier[s3]'"
        ) from error
    keys: dict[str, str] = {}
    if place.access_key:
        keys = {"aws_access_key_id": place.access_key, "aws_secret_access_key": place.secret_key}
    try:
        client = cast("_Session", botocore.session.Session()).create_client(
            "s3",
            region_name=place.region,
            endpoint_url=place.url,
            config=Config(
                connect_timeout=_CONNECT_TIMEOUT_S,
                read_timeout=_READ_TIMEOUT_S,
                retries={"total_max_attempts": _ATTEMPTS, "mode": "standard"},
                s3={"addressing_style": "path" if place.path_style else "virtual"},
                # Newer checksums than MD5 are unknown to many servers.
                request_checksum_calculation="when_required",
                response_checksum_validation="when_required",
                # Audio goes to the bucket itself and never through a proxy of the environment.
                proxies={},
            ),
            **keys,
        )
    except ValueError as error:
        raise SettingsInvalid("objects.url is no address such as https://s3.example.org") from error
    return Bucket(client, place.bucket)


def _read(body: "_Body") -> bytes:
    """Read to the end, where botocore compares the length with what was promised."""
    content = bytearray()
    while piece := body.read(_PIECE_BYTES):
        content += piece
        if len(content) > _MOST_BYTES:
            raise ObjectMissing("it is none of ours: larger than any")
    return bytes(content)


@contextmanager
def _translated() -> Generator[None, None, None]:
    """Raise ObjectMissing or StorageUnavailable for what goes wrong inside."""
    from botocore.exceptions import BotoCoreError, ClientError, HTTPClientError

    try:
        yield
    except ClientError as error:
        answer = cast("Mapping[str, Any]", error.response)
        code = str(answer.get("Error", {}).get("Code", ""))
        status = str(answer.get("ResponseMetadata", {}).get("HTTPStatusCode", ""))
        if code in {"NoSuchKey", "NotFound"}:
            raise ObjectMissing from error
        advice = _ADVICE.get(code) or _ADVICE.get(status) or "See its own log."
        raise StorageUnavailable(
            f"The object storage refuses the server ({code or status}). {advice}"
        ) from error
    except (BotoCoreError, HTTPClientError, OSError) as error:
        raise StorageUnavailable(
            f"The object storage cannot be used ({type(error).__name__}). Check that it runs, that "
            "objects.url is its address and that its keys are set; nothing stored is lost."
        ) from error


_ADVICE = {
    "NoSuchBucket": "Create the bucket that objects.bucket names.",
    "404": "Create the bucket that objects.bucket names.",
    "InvalidAccessKeyId": "Check objects.access_key.",
    "SignatureDoesNotMatch": "Check objects.secret_key.",
    "403": "Give the key the right to read, write and delete in the bucket.",
    "503": "It asks to be left alone for a while; the upload is tried again.",
}


class _Body(Protocol):
    def read(self, amount: int) -> bytes: ...
    def __enter__(self) -> "_Body": ...
    def __exit__(self, *ended: object) -> None: ...


class _Session(Protocol):
    def create_client(self, service_name: str, **options: object) -> "_Client": ...


class _Client(Protocol):
    """What is used of botocore's client, whose methods are made at run time."""

    def head_bucket(self, **arguments: object) -> Mapping[str, object]: ...
    def put_object(self, **arguments: object) -> Mapping[str, object]: ...
    def get_object(self, **arguments: object) -> Mapping[str, object]: ...
    def delete_object(self, **arguments: object) -> Mapping[str, object]: ...
    def close(self) -> None: ...
