"""Every operation of the server's own OpenAPI document as a target, by schemathesis."""

from collections.abc import Callable, Sequence
from typing import Any, Final, cast

import httpx
import requests
import schemathesis
from hypothesis import strategies as st
from schemathesis import checks
from schemathesis.core.failures import FailureGroup

from tests.support.fuzz_house import FuzzHouse, Harm
from tests.support.fuzz_targets import Target
from tests.support.rivals import Place, native
from tests.support.spoken import AUDIO

__all__ = ["openapi_targets"]

_TIMEOUT_S: Final = 60.0
_CHECKED: Final = (
    "status_code_conformance",
    "content_type_conformance",
    "response_schema_conformance",
    "response_headers_conformance",
)
"""The first two hold for streams as well."""
_TEXTS: Final = ("application/sdp", "application/trickle-ice-sdpfrag")
_ANYWAY: Final = frozenset({400, 404, 405, 408, 411, 413, 414, 415, 431})
"""HTTP's own refusals of what is no request of ours, which no document lists."""


def openapi_targets(house: FuzzHouse) -> dict[str, Target]:
    """Requests as the document describes them, and others that it forbids, of every operation.

    In half of them the session is one that there is.
    """
    for media_type in _TEXTS:
        schemathesis.serializer(media_type)(_as_text)
    house.call(native(Place(house.port), AUDIO[:64_000], "fr"))
    with httpx.Client(base_url=house.http, trust_env=False, timeout=_TIMEOUT_S) as http:
        document = http.get("/v1/openapi.json").json()
        session = str(http.get("/v1/sessions").json()["sessions"][0]["session"])
    targets: dict[str, Target] = {}
    # Its types leave open what an operation is made of.
    schema = cast("Any", schemathesis.openapi.from_dict(document))
    for found in schema.get_all_operations():
        operation: Any = found.ok()
        asked: list[st.SearchStrategy[Any]] = [
            operation.as_strategy(generation_mode=mode) for mode in schemathesis.GenerationMode
        ]
        name = f"HTTP {operation.method.upper()} {operation.path}"
        targets[name] = Target(st.tuples(st.one_of(asked), st.booleans()), _asking(session))
    return targets


def _asking(session: str) -> Callable[[FuzzHouse, Any], None]:
    over: Any = requests.Session()
    over.trust_env = False  # no proxy between us

    def ask(house: FuzzHouse, one: tuple[Any, bool]) -> None:
        case, of_this_session = one
        there = of_this_session and case.method != "DELETE"
        if there and "session" in (case.path_parameters or {}):
            case.path_parameters["session"] = session
        answer = case.call(base_url=house.http, session=over, timeout=_TIMEOUT_S)
        if answer.status_code == 500:
            raise Harm(f"{case.method} {case.formatted_path} failed: {answer.text[:300]}")
        if answer.status_code in _ANYWAY:
            return
        streamed = answer.headers.get("content-type", [""])[0].startswith("text/event-stream")
        try:
            case.validate_response(answer, checks=_checks(_CHECKED[:2] if streamed else _CHECKED))
        except FailureGroup as group:
            said = "; ".join(str(failure) for failure in group.exceptions)
            raise Harm(f"{case.method} {case.formatted_path}: {said[:1_500]}") from None

    return ask


def _checks(names: Sequence[str]) -> list[Any]:
    return [cast("Any", checks).CHECKS.get_one(name) for name in names]


def _as_text(context: schemathesis.SerializationContext, value: Any) -> bytes:
    """The body of a media type that schemathesis does not know; ours are all text."""
    del context
    return str(value).encode(errors="replace")
