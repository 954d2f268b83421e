"""What session tests say, and what they look at."""

from greffier_server.pipeline.ports import SpeakingSession
from tests.support.desk import DeskKit, as_bytes, until
from tests.support.recordings import committed_words, recording_of

__all__ = ["AUDIO", "SPEECH", "all_acks", "committed_texts", "until_durable"]

SPEECH = recording_of([(30, 300)] * 20, stops=[9, 19])
AUDIO = as_bytes(SPEECH.pcm)


async def committed_texts(kit: DeskKit, session: SpeakingSession) -> list[str]:
    """Texts of the committed words of a session."""
    return [word.text for word in committed_words(await kit.records(session.id))]


async def until_durable(session: SpeakingSession, samples: int) -> None:
    """Wait until so many samples are on the disk."""
    await until(lambda: session.durable_samples >= samples, timeout_s=60)


async def all_acks(session: SpeakingSession) -> list[int]:
    """Acknowledgements to the end."""
    return [samples async for samples in session.acks()]
