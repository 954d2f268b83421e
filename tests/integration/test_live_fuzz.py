"""Whatever a client says first, it gets an answer, and the server goes on."""

import asyncio
import json
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from websockets.exceptions import ConnectionClosed

from greffier_server.settings import LimitSettings, Settings
from tests.support.served import receive, served

pytestmark = pytest.mark.integration

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=20),
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4)
    ),
    max_leaves=12,
)
FIELDS = st.sampled_from(
    ["format", "language", "translate_to", "glossary", "title", "minutes", "resume", "session"]
)


def _message(kind: str, fields: dict[str, Any]) -> str:
    return json.dumps({"type": kind, **fields})


MESSAGES = st.builds(
    _message,
    st.sampled_from(["start", "watch", "finish", "ack", ""]),
    st.dictionaries(FIELDS, JSON, max_size=3),
)
FRAMES = st.one_of(MESSAGES, JSON.map(json.dumps), st.text(max_size=60), st.binary(max_size=60))


@settings(max_examples=8, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(conversations=st.lists(st.lists(FRAMES, min_size=1, max_size=3), min_size=8, max_size=8))
def test_no_first_message_kills_the_server(conversations: list[list[Any]]) -> None:
    asyncio.run(_converse(conversations))


async def _converse(conversations: list[list[Any]]) -> None:
    limits = Settings(limits=LimitSettings(start_timeout_s=1.0, drain_s=2.0))
    async with served(limits) as server:
        for frames in conversations:
            async with server.connect() as client:
                try:
                    for frame in frames:
                        await client.send(frame)
                    answer = await receive(client)
                    assert answer["type"] in {"started", "error"}
                except ConnectionClosed as ended:
                    # The error was on its way when the client still sent.
                    assert ended.rcvd is not None  # noqa: PT017
                    assert ended.rcvd.code in {4400, 4404}  # noqa: PT017
        async with server.speaking() as (_, started):
            assert started["type"] == "started"
