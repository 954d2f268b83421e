"""What routes share that put something to the language model while a client waits."""

import asyncio
from collections.abc import Coroutine
from typing import Any, TypeVar, cast

from fastapi import Request

from greffier_server.pipeline.answering import OneAtATime

__all__ = ["places_of", "while_there"]

T = TypeVar("T")


def places_of(request: Request) -> OneAtATime:
    """Return who is at the model now."""
    return cast("OneAtATime", request.app.state.model_places)


async def while_there(request: Request, work: Coroutine[Any, Any, T]) -> T | None:
    """Return what `work` gives; None, and `work` stopped, when the client goes away first."""
    working = asyncio.create_task(work)
    leaving = asyncio.create_task(_gone(request))
    try:
        await asyncio.wait({working, leaving}, return_when=asyncio.FIRST_COMPLETED)
        return await working if working.done() else None
    finally:
        for task in (working, leaving):
            task.cancel()
        await asyncio.gather(working, leaving, return_exceptions=True)


async def _gone(request: Request) -> None:
    while (await request.receive())["type"] != "http.disconnect":
        pass
