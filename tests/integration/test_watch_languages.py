"""A viewer that changes the language in mid-session, over a real socket."""

import asyncio
import json
from typing import Any

import pytest

from greffier.protocol import Doubt
from greffier_models.types import Word
from greffier_server.core.events import (
    SegmentClosed,
    SegmentOpened,
    SegmentTranslated,
    WordsCommitted,
)
from tests.support.served import Served, receive, served

pytestmark = pytest.mark.integration


async def watch(server: Served, session: str, *languages: str) -> list[dict[str, Any]]:
    """What a new viewer is told of the past of a live session, up to the mark."""
    async with server.connect() as viewer:
        message = {"type": "watch", "session": session, "languages": languages}
        await viewer.send(json.dumps(message))
        told: list[dict[str, Any]] = []
        async with asyncio.timeout(30):
            while not told or told[-1].get("committed") != " end":
                told.append(await receive(viewer))
    return [one for one in told if one["type"] in ("translation", "error")]


async def test_history_comes_in_the_language_that_is_asked_for() -> None:
    async with served() as server:
        asked = {"translate_to": ["en", "de"], "language": "fr"}
        async with server.speaking(**asked) as (_, started):
            log = server.desk.only().log
            await log.append(
                SegmentOpened(1, 0, "fr"),
                WordsCommitted(1, (Word(" douze", 0, 300, 0.9),)),
                SegmentClosed(1, 0, 300),
                SegmentTranslated(1, "en", "ten", doubts=(Doubt("number", "douze", "ten"),)),
                SegmentTranslated(1, "de", "", failure="engine_timeout"),
                SegmentOpened(2, 400, "fr"),
                WordsCommitted(2, (Word(" end", 400, 700, 0.9),)),
            )
            session = started["session"]
            (english,) = await watch(server, session, "en")
            assert english["committed"] == "ten"
            assert english["doubts"] == [{"kind": "number", "source": "douze", "target": "ten"}]
            (german,) = await watch(server, session, "de")
            assert (german["committed"], german["failure"]) == ("", "engine_timeout")
            refused, english = await watch(server, session, "sv", "en")
            assert (refused["type"], refused["code"]) == ("error", "not_translated")
            assert english["committed"] == "ten"
