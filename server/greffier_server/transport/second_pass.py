"""What became of a session's second pass, as its log tells."""

from collections.abc import AsyncIterator

from greffier_server.core.events import Recorded, SecondPassFinished, StageFailed
from greffier_server.pipeline.second_pass import KIND
from greffier_server.transport.bodies import SecondPassBody

__all__ = ["second_pass_of"]


async def second_pass_of(session: str, records: AsyncIterator[Recorded]) -> SecondPassBody:
    """Return the newest outcome: a pass, the failure of one, or none."""
    found = SecondPassBody(session=session, state="none")
    async for record in records:
        match record.event:
            case SecondPassFinished() as done:
                found = SecondPassBody(
                    session=session,
                    state="done",
                    engine=record.engine,
                    words=done.words,
                    changed=done.changed,
                    added=done.added,
                    unconfirmed=done.unconfirmed,
                )
            case StageFailed(stage=stage, code=code) if stage == KIND:
                found = SecondPassBody(session=session, state="failed", code=code)
            case _:
                pass
    return found
