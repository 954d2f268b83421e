"""Everything of the server that strangers can throw something at, by name."""

import logging
from collections.abc import Callable, Generator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Final

import httpx
from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis import strategies as st

from tests.support.containers import CONTAINERS
from tests.support.containers import encoded as container
from tests.support.fuzz_decoders import DECODERS, OFFER
from tests.support.fuzz_frames import VALUES, bent_bytes
from tests.support.fuzz_house import FuzzHouse, Harm
from tests.support.fuzz_sockets import (
    SOCKETS,
    talks,
    together,
    write,
    wyoming_streams,
)
from tests.support.rivals import wav
from tests.support.spoken import AUDIO

__all__ = ["AT_ONCE", "TARGETS", "Target", "throw"]

AT_ONCE: Final = 6
"""Conversations of one example."""
_TIMEOUT_S: Final = 60.0


@dataclass(frozen=True, slots=True)
class Target:
    """One of them."""

    thrown: st.SearchStrategy[Any]
    run: Callable[[FuzzHouse, Any], None]
    at_once: int = 1
    """Conversations of one example."""
    served: bool = True
    """It is thrown at the server, so that there is something beside it to be harmed."""


def throw(house: FuzzHouse, target: Target, *, examples: int, number: int) -> int:
    """Throw examples at a target; return how many.

    Args:
        house: runs.
        target: what is thrown at.
        examples: at most: a target with few possibilities is through with them earlier.
        number: seed; another one gives other examples.

    Raises:
        AssertionError, TimeoutError: harm was done; the smallest example is in its notes.
    """
    thrown = 0

    @seed(number)
    @settings(
        max_examples=examples,
        deadline=None,
        database=None,
        derandomize=False,
        phases=(Phase.generate, Phase.shrink),
        suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
    )
    @given(target.thrown)
    def example(one: Any) -> None:
        nonlocal thrown
        thrown += target.at_once
        target.run(house, one)

    with _own_faults(target):
        example()
    return thrown


@contextmanager
def _own_faults(target: Target) -> Generator[None, None, None]:
    """What runs in this process may not log an error either: the server's log is looked at."""
    faults: list[str] = []
    handler = logging.Handler(logging.ERROR)
    handler.emit = lambda record: faults.append(handler.format(record))
    if target.served:
        yield
        return
    logging.getLogger("greffier_server").addHandler(handler)
    try:
        yield
    finally:
        logging.getLogger("greffier_server").removeHandler(handler)
    if faults:
        raise Harm(f"{len(faults)} faults, the first: {faults[0][:1500]}")


def _talk(house: FuzzHouse, some: Any) -> None:
    house.call(together(house.port, some))


def _wyoming(house: FuzzHouse, streams: list[bytes]) -> None:
    for stream in streams:
        house.call(write(house.wyoming_port, stream))


def _http(house: FuzzHouse, content: bytes) -> None:
    """Bytes that are hardly HTTP, at the port of everything."""
    house.call(write(house.port, content))


def _uploaded(house: FuzzHouse, sent: tuple[str, bytes, dict[str, str]]) -> None:
    path, recording, fields = sent
    with httpx.Client(base_url=house.http, trust_env=False, timeout=_TIMEOUT_S) as http:
        if path.startswith("/v1/audio"):
            files = {"file": ("a", recording)}
            answer = http.post(path, data=fields, files=files)
        else:
            answer = http.post(path, params=fields, content=recording)
    _check(answer)


def _offered(house: FuzzHouse, offer: bytes) -> None:
    with httpx.Client(base_url=house.http, trust_env=False, timeout=_TIMEOUT_S) as http:
        headers = {"Content-Type": "application/sdp"}
        answer = http.post("/v1/whip", content=offer, headers=headers)
        _check(answer)
        if answer.status_code == 201:
            http.delete(answer.headers["location"])


def _check(answer: httpx.Response) -> None:
    if answer.status_code == 500:
        raise Harm(f"the server failed: {answer.text[:300]}")


_RECORDINGS: Final = st.one_of(
    *(bent_bytes(container(name, seconds=0.3)) for name in CONTAINERS),
    bent_bytes(wav(AUDIO[:16_000])),
    st.binary(max_size=2_000),
)
_FIELDS: Final = st.dictionaries(
    st.sampled_from(
        ["model", "language", "prompt", "response_format", "stream", "temperature", "diarize",
         "timestamp_granularities[]", "include[]", "encoding", "sample_rate", "channels",
         "keyterm", "multichannel", "utterances"]
    ),
    st.sampled_from(["fr", "en", "auto", "json", "text", "srt", "vtt", "verbose_json", "true",
                     "word", "linear16", "16000", "-1", "1e9", "", "x" * 3_000, "\0"])
    | VALUES.map(str).map(lambda text: text.encode(errors="replace").decode()),
    max_size=5,
)  # fmt: skip
_PATHS: Final = st.sampled_from(
    ["/v1/audio/transcriptions", "/v1/audio/translations", "/v1/listen"]
)
_REQUEST: Final = (
    b"GET /v1/live HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
    b'Sec-WebSocket-Protocol: greffier.v1\r\n\r\n\x81\x85\0\0\0\0{"a":'
)

TARGETS: Final[Mapping[str, Target]] = {
    **{f"socket {name}": Target(talks(name, at_once=AT_ONCE), _talk, AT_ONCE) for name in SOCKETS},
    "socket wyoming": Target(wyoming_streams(at_once=AT_ONCE), _wyoming, AT_ONCE),
    "HTTP and WebSocket framing": Target(bent_bytes(_REQUEST), _http),
    "recordings": Target(st.tuples(_PATHS, _RECORDINGS, _FIELDS), _uploaded),
    "WHIP offer": Target(bent_bytes(OFFER), _offered),
    **{
        f"decoder {name}": Target(thrown, lambda _house, one, run=run: run(one), served=False)
        for name, (thrown, run) in DECODERS.items()
    },
}
