"""Weights streamed from the Hugging Face hub, or a mirror of it, and continued after a break.

Files have the address ``BASE/REPO/resolve/REVISION/PATH``, as huggingface_hub's `hf_hub_url` builds
it. The same variables are read: ``HF_ENDPOINT`` (base address), ``HF_TOKEN`` (for repositories
whose licence must be accepted first) and ``HF_HUB_OFFLINE``.
"""

import http.client
import os
import urllib.error
import urllib.parse
import urllib.request
from typing import Protocol, cast

from greffier_models.catalog.entry import Hub
from greffier_models.catalog.partial import CHUNK_BYTES, PartialFile
from greffier_models.catalog.staging import Staging
from greffier_models.errors import SourceFailed

__all__ = ["fetch_from_hub"]

_DEFAULT_ENDPOINT = "https://huggingface.co"
_TIMEOUT_S = 20.0
_TRUE = frozenset({"1", "on", "true", "yes"})


class _Answer(Protocol):
    """What is used of `http.client.HTTPResponse`."""

    status: int

    def read(self, amount: int, /) -> bytes: ...

    def close(self) -> None: ...


def fetch_from_hub(source: Hub, staging: Staging) -> None:
    """Download what is missing.

    Raises:
        SourceFailed: the hub cannot be reached, refuses, or the transfer broke.
        WeightsCorrupt: a file is not the published one.
        StorageFailed: the models directory is full or not writable.
    """
    if os.environ.get("HF_HUB_OFFLINE", "").lower() in _TRUE:
        raise SourceFailed("the hub is switched off by HF_HUB_OFFLINE")
    base = os.environ.get("HF_ENDPOINT", _DEFAULT_ENDPOINT).rstrip("/")
    if urllib.parse.urlsplit(base).scheme not in ("http", "https"):
        raise SourceFailed("HF_ENDPOINT must be an http or https address")
    staging.need_space()
    for partial in staging.missing:
        name = partial.file.name
        path = urllib.parse.quote(source.paths.get(name, name))
        _download(f"{base}/{source.repo}/resolve/{source.revision}/{path}", partial, staging)
        partial.finish()


def _download(url: str, partial: PartialFile, staging: Staging) -> None:
    """Read the file, asking again for the rest as long as each try brings some of it."""
    while True:
        before = partial.length if partial.length <= partial.file.size else 0
        if before == partial.file.size and before:
            return
        try:
            _read_on(url, partial, staging, offset=before)
        except (OSError, http.client.HTTPException) as error:
            if partial.length <= before:
                raise SourceFailed(
                    f"the transfer of {partial.file.name} from {_host(url)} broke"
                ) from error
        if partial.length >= partial.file.size:
            return
        if partial.length <= before:
            raise SourceFailed(f"{_host(url)} sent only a part of {partial.file.name}")


def _read_on(url: str, partial: PartialFile, staging: Staging, *, offset: int) -> None:
    answer = _open(url, offset)
    try:
        start = offset if answer.status == http.HTTPStatus.PARTIAL_CONTENT else 0
        with partial.appending(start) as write:
            while chunk := answer.read(CHUNK_BYTES):
                write(chunk)
                staging.report(partial.file.name)
    finally:
        answer.close()


def _open(url: str, offset: int) -> _Answer:
    request = urllib.request.Request(url)  # noqa: S310 - the scheme was checked
    request.add_header("User-Agent", "greffier")
    if offset:
        request.add_header("Range", f"bytes={offset}-")
    if token := os.environ.get("HF_TOKEN"):
        # Not sent on to the storage network to which the hub redirects.
        request.add_unredirected_header("Authorization", f"Bearer {token}")
    opener = urllib.request.OpenerDirector()
    for handler in (
        urllib.request.ProxyHandler(),
        urllib.request.HTTPHandler(),
        urllib.request.HTTPSHandler(),
        urllib.request.HTTPRedirectHandler(),
        urllib.request.HTTPDefaultErrorHandler(),
        urllib.request.HTTPErrorProcessor(),
    ):
        opener.add_handler(handler)
    try:
        answer = opener.open(request, timeout=_TIMEOUT_S)
    except urllib.error.HTTPError as error:
        error.close()
        raise SourceFailed(_refusal(url, error.code)) from error
    except (OSError, http.client.HTTPException) as error:
        raise SourceFailed(
            f"{_host(url)} cannot be reached: check the network and the proxy settings"
        ) from error
    if answer is None:
        raise SourceFailed(f"{_host(url)} sends on to an address that is not http or https")
    return cast("_Answer", answer)


def _refusal(url: str, status: int) -> str:
    if status in (401, 403):
        return (
            f"{_host(url)} asks for permission ({status}): accept the licence on the page of the"
            " model there, and set HF_TOKEN"
        )
    if status == http.HTTPStatus.NOT_FOUND:
        return f"{_host(url)} does not have {urllib.parse.urlsplit(url).path} (404)"
    return f"{_host(url)} answered {status}: try again later"


def _host(url: str) -> str:
    return urllib.parse.urlsplit(url).hostname or "the hub"
