"""The real desk over fake engines and a real journal: what must not end a session, or a server."""

import asyncio
import hashlib
from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path

import pytest

from greffier.protocol import AudioFormat, Resume, Start
from greffier_models.fakes import FakeGenerator, FakeRecognizer, FakeVad, encode_speech, spoken
from greffier_models.protocols import TextGenerator
from greffier_models.runtime import RecognitionRuntime
from greffier_models.types import GenerationOptions, Prompt, TextPiece, Word
from greffier_server.core.events import (
    GapFound,
    Recorded,
    SegmentClosed,
    SegmentOpened,
    SessionFinished,
    SessionStarted,
    StageFailed,
    WordsCommitted,
)
from greffier_server.core.state import fold
from greffier_server.errors import SessionBusy, StorageFailed, UnknownLanguage
from greffier_server.pipeline.building import Engines, SessionSettings
from greffier_server.pipeline.clock import ManualClock
from greffier_server.pipeline.desk import Desk, DeskSettings
from greffier_server.pipeline.session import SessionLimits
from greffier_server.storage.disk import DiskJournal, DiskRecording
from greffier_server.storage.memory import MemoryStore
from tests.support.sessions import NOW_MS, chain, row

pytestmark = pytest.mark.integration

TENANT = "t"


class Store(MemoryStore):
    """Sessions in memory; those named in `damaged` cannot be read."""

    def __init__(self) -> None:
        super().__init__()
        self.damaged: set[str] = set()

    async def events(self, tenant: str, session: str, *, after: int = 0) -> AsyncIterator[Recorded]:
        if session in self.damaged:
            raise StorageFailed("A stored event cannot be read.")
        async for record in super().events(tenant, session, after=after):
            yield record


class Journal(DiskJournal):
    """A journal that notes the size of each append, and can be out of order."""

    broken = False

    def __init__(self, root: Path) -> None:
        super().__init__(root)
        self.appended: list[int] = []

    async def open(self, tenant: str, session: str) -> DiskRecording:
        if self.broken:
            raise StorageFailed("The disk is full.")
        opened = await super().open(tenant, session)
        append = opened.append

        async def noted(audio: bytes) -> int:
            self.appended.append(len(audio))
            return await append(audio)

        opened.append = noted  # type: ignore[method-assign]
        return opened


class BrokenGenerator(FakeGenerator):
    """Fails as no engine should: with an error that is not one of ours."""

    def generate(
        self, prompt: Prompt, options: GenerationOptions
    ) -> AbstractAsyncContextManager[AsyncIterator[TextPiece]]:
        raise ValueError("what was said: the secret words")


@asynccontextmanager
async def desk_over(
    store: MemoryStore,
    journal: Journal,
    *,
    generator: TextGenerator | None = None,
    buffer_ms: int = 60_000,
) -> AsyncGenerator[Desk, None]:
    async with RecognitionRuntime(FakeRecognizer()) as recognizer:
        desk = Desk(
            store=store,
            sink=store.append,
            journal=journal,
            engines=Engines(recognizer, FakeVad(), generator),
            clock=ManualClock(),
            settings=DeskSettings(
                sessions=SessionSettings(limits=SessionLimits(buffer_ms=buffer_ms))
            ),
        )
        try:
            yield desk
        finally:
            await desk.close()
            await journal.close()


async def whole(desk: Desk, session: str) -> Sequence[Recorded]:
    return [record async for record in desk.follow(TENANT, session)]


def only(records: Sequence[Recorded], kind: type) -> list[object]:
    return [record.event for record in records if isinstance(record.event, kind)]


async def test_a_language_has_one_spelling(tmp_path: Path) -> None:
    async with desk_over(Store(), Journal(tmp_path)) as desk:
        for targets in (("en", "en-GB"), ("EN",), ("french",), ("iw",)):
            with pytest.raises(UnknownLanguage):
                await desk.open(TENANT, Start(translate_to=targets))
        with pytest.raises(UnknownLanguage):
            await desk.open(TENANT, Start(minutes_language="fr-FR"))
        assert desk.live_count == 0


async def test_one_session_that_cannot_be_read_keeps_no_server_from_starting(
    tmp_path: Path,
) -> None:
    store = Store()
    for session in ("bad", "good"):
        await store.create(row(session, TENANT, token_hash="x", created_at_ms=NOW_MS))
        started = SessionStarted(AudioFormat(), "en", (), minutes=False)
        await store.append(chain(started, session=session, tenant=TENANT))
    store.damaged.add("bad")
    async with desk_over(store, Journal(tmp_path)) as desk:
        assert await desk.recover() == 1
        assert desk.live_count == 1
        assert await store.get(TENANT, "bad") is not None, "it may be repaired"


async def test_a_session_without_a_journal_leaves_nothing_behind(tmp_path: Path) -> None:
    store, journal = Store(), Journal(tmp_path)
    journal.broken = True
    async with desk_over(store, journal) as desk:
        with pytest.raises(StorageFailed):
            await desk.open(TENANT, Start())
        assert await store.list(TENANT) == []
        assert desk.live_count == 0


async def test_captions_survive_a_stage_that_breaks(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    audio = encode_speech(spoken("one two three."), duration_ms=3_000).tobytes()
    generator = BrokenGenerator()
    async with desk_over(Store(), Journal(tmp_path), generator=generator) as desk:
        session, _ = await desk.open(TENANT, Start(language="en", translate_to=("fr",)))
        await session.push(audio)
        await session.finish()
        records = [record async for record in session.log.follow()]
    assert fold(records).text == "one two three."
    assert only(records, SessionFinished) == [SessionFinished("finish")]
    failures = only(records, StageFailed)
    assert any(isinstance(f, StageFailed) and f.code == "internal_error" for f in failures)
    assert "secret" not in str(failures)
    assert "stage translate-fr" in caplog.text


async def _resumed(desk: Desk, start: Start, *, from_sample: int) -> Sequence[Recorded]:
    session, token = await desk.open(TENANT, start)
    await session.detach("gone")
    held = await desk.resume(TENANT, Resume(session.id, token, from_sample=from_sample))
    assert held.accepted_samples == from_sample
    await held.finish()
    return [record async for record in held.log.follow()]


async def test_a_long_gap_is_filled_piece_by_piece(tmp_path: Path) -> None:
    journal = Journal(tmp_path)
    seconds = 600
    async with desk_over(Store(), journal, buffer_ms=5_000) as desk:
        start = Start(language="en", minutes=False)
        records = await _resumed(desk, start, from_sample=seconds * 16_000)
    assert sum(journal.appended) == seconds * 32_000
    assert max(journal.appended) <= 2 << 20, "ten minutes of silence were held in memory at once"
    assert only(records, GapFound) == [GapFound(0, seconds * 1_000, "client_lost_audio")]


async def test_a_client_that_comes_while_a_gap_is_filled_takes_over(tmp_path: Path) -> None:
    async with desk_over(Store(), Journal(tmp_path), buffer_ms=1_000) as desk:
        session, token = await desk.open(TENANT, Start(language="en", minutes=False))
        far = Resume(session.id, token, from_sample=600 * 16_000)
        first, held = await asyncio.gather(
            desk.resume(TENANT, far), desk.resume(TENANT, far), return_exceptions=True
        )
        assert isinstance(first, SessionBusy)
        assert not isinstance(held, BaseException)
        await held.finish()
        gaps = only([record async for record in held.log.follow()], GapFound)
    spans = [(gap.from_ms, gap.to_ms) for gap in gaps if isinstance(gap, GapFound)]
    assert (min(spans)[0], max(span[1] for span in spans)) == (0, 600_000)


async def test_words_keep_their_times_after_a_restart(tmp_path: Path) -> None:
    """Speech at once after the point of restart: its window would begin before what is held."""
    words = spoken("one two three four five six.", word_ms=300)
    store, journal = Store(), Journal(tmp_path)
    decided_ms = 10_016
    token_hash = hashlib.sha256(b"token").hexdigest()
    await store.create(row("s", TENANT, token_hash=token_hash, created_at_ms=NOW_MS))
    before = Word(" before.", 9_000, decided_ms, 1.0)
    later = [
        Word(word.text, word.start_ms + decided_ms, word.end_ms + decided_ms, 1.0) for word in words
    ]
    audio = encode_speech([before, *later], duration_ms=decided_ms + 4_000).tobytes()
    history = chain(
        SessionStarted(AudioFormat(), "en", (), minutes=False),
        SegmentOpened(1, before.start_ms, "en"),
        WordsCommitted(1, (before,)),
        SegmentClosed(1, before.start_ms, before.end_ms),
        session="s",
        tenant=TENANT,
    )
    await store.append(history)
    recording = await journal.open(TENANT, "s")
    await recording.append(audio)
    async with desk_over(store, journal) as desk:
        assert await desk.recover() == 1
        held = await desk.resume(TENANT, Resume("s", "token"))
        await held.finish()
        state = fold([record async for record in held.log.follow()])
    heard = [
        (word.text, word.start_ms)
        for number, segment in state.segments.items()
        if number > 1
        for word in segment.words
    ]
    assert heard == [(word.text, word.start_ms + decided_ms) for word in words]
