"""A whole session replayed: faithfully, restart by restart, or with something else in its place."""

import asyncio
from collections.abc import Sequence

from greffier_server.core.epochs import Epoch, Unreplayable, epochs_of, read_start
from greffier_server.core.events import RecognitionBegun, Recorded
from greffier_server.core.replayed import (
    EpochReplayed,
    Replayed,
    changes_between,
    compare_words,
    first_difference,
)
from greffier_server.core.state import SessionState, fold
from greffier_server.errors import ReplayRefused
from greffier_server.pipeline.listening import Ears, Listening, channel_starts, taking_part
from greffier_server.pipeline.replay import Rehearing, Script
from greffier_server.storage.journal import SessionJournal

__all__ = ["SessionReplay"]


class SessionReplay:
    """Replays one session, as often as wanted.

    Args:
        records: of the session, from the first one.
        journal: its audio.

    Raises:
        ReplayRefused: the log does not say what recognition rested on.
    """

    def __init__(self, records: Sequence[Recorded], journal: SessionJournal) -> None:
        self._records = records
        self._journal = journal
        try:
            self._started = read_start(records)
            self._epochs = epochs_of(records)
        except Unreplayable as error:
            raise ReplayRefused(str(error)) from error
        if not self._epochs:
            raise ReplayRefused("Nothing was recognised in this session.")
        self._heard: dict[int, list[Recorded]] = {}
        for epoch in self._epochs:
            for channel, heard in epoch.heard.items():
                self._heard.setdefault(channel, []).extend(heard)

    @property
    def begun(self) -> RecognitionBegun:
        """What the session was recognised with, at its first start."""
        return self._epochs[0].begun

    @property
    def models(self) -> set[str]:
        """Digests of all models that recognised it; a restart may have changed them."""
        return {epoch.begun.digest for epoch in self._epochs}

    async def faithful(self, ears: Ears) -> Replayed:
        """Hear every stretch again as it is recorded.

        Raises:
            ReplayRefused: this version does not know the policy; the speech model failed.
            StorageFailed: the audio cannot be read.
        """
        verdicts: list[EpochReplayed] = []
        replayed: dict[int, list[Recorded]] = {}
        settings: dict[str, tuple[str, ...]] = {}
        lost = 0
        versions = await asyncio.to_thread(taking_part)
        for epoch in self._epochs:
            listening = _listening(epoch.begun)
            now = listening.recorded(
                ears.recognizer.identity, from_byte=epoch.begun.from_byte, versions=versions
            )
            settings |= changes_between(epoch.begun, now)
            rehearing = Rehearing(
                self._started,
                await self._state_before(epoch),
                listening=listening,
                ears=ears,
                journal=self._journal,
                from_byte=epoch.begun.from_byte,
                script=_script(epoch),
            )
            heard = await rehearing.run()
            lost += len(rehearing.lost)
            verdicts.append(_verdict(epoch, heard))
            for channel, records in heard.items():
                upto = len(records) if epoch.whole else len(epoch.heard.get(channel, ()))
                replayed.setdefault(channel, []).extend(records[:upto])
        same = all(verdict.difference is None for verdict in verdicts)
        return self._replayed(
            replayed, same=same, settings=settings, epochs=verdicts, audio_lost=lost
        )

    async def otherwise(self, ears: Ears, listening: Listening) -> Replayed:
        """Hear the session in one piece with these models and settings, as hurried as it was.

        Raises:
            ReplayRefused: the speech model failed.
            StorageFailed: the audio cannot be read.
        """
        versions = await asyncio.to_thread(taking_part)
        now = listening.recorded(ears.recognizer.identity, from_byte=0, versions=versions)
        rehearing = Rehearing(
            self._started,
            SessionState(),
            listening=listening,
            ears=ears,
            journal=self._journal,
            from_byte=0,
            script=Script(paced=await self._paced()),
        )
        heard = await rehearing.run()
        return self._replayed(
            heard,
            same=None,
            settings=changes_between(self.begun, now),
            audio_lost=len(rehearing.lost),
        )

    def _replayed(
        self,
        heard: dict[int, list[Recorded]],
        *,
        same: bool | None,
        settings: dict[str, tuple[str, ...]],
        epochs: Sequence[EpochReplayed] = (),
        audio_lost: int,
    ) -> Replayed:
        words = compare_words(self._heard, heard)
        return Replayed(
            session=self._records[0].session,
            same=not words.changes if same is None else same,
            faithful=same is not None,
            settings=settings,
            epochs=tuple(epochs),
            words=words.words,
            words_replayed=words.words_replayed,
            edits=words.edits,
            changes=words.changes,
            lag=words.lag,
            lag_replayed=words.lag_replayed,
            withheld=words.withheld,
            withheld_replayed=words.withheld_replayed,
            audio_lost=audio_lost,
        )

    async def _state_before(self, epoch: Epoch) -> SessionState:
        return await asyncio.to_thread(fold, self._records[: epoch.before])

    async def _paced(self) -> dict[int, list[tuple[int, ...]]]:
        """The tempo of all stretches, one behind the other; each began unhurried."""
        paced: dict[int, list[tuple[int, ...]]] = {}
        for epoch in self._epochs:
            state = await self._state_before(epoch)
            policy = _listening(epoch.begun).policy
            for start in channel_starts(self._started, state, policy):
                before = paced.get(start.channel, [])
                kept = [change for change in before if change[0] < start.decided_ms]
                begin = [(start.decided_ms, 0, 0)] if kept else []
                paced[start.channel] = [*kept, *begin, *epoch.paced.get(start.channel, ())]
        return paced


def _script(epoch: Epoch) -> Script:
    """A stretch that was cut short is heard as far as it is recorded."""
    return Script(
        paced=epoch.paced,
        given_up=epoch.given_up,
        numbers={channel: epoch.numbers(channel) for channel in epoch.heard},
        enough=None
        if epoch.whole
        else {channel: len(records) for channel, records in epoch.heard.items()},
    )


def _verdict(epoch: Epoch, heard: dict[int, list[Recorded]]) -> EpochReplayed:
    differences = [
        difference
        for channel in sorted({*epoch.heard, *heard})
        if (
            difference := first_difference(
                epoch.heard.get(channel, ()),
                heard.get(channel, ()),
                channel=channel,
                whole=epoch.whole,
            )
        )
    ]
    return EpochReplayed(
        seq=epoch.seq,
        events=sum(map(len, epoch.heard.values())),
        whole=epoch.whole,
        difference=min(differences, key=lambda each: each.at_ms, default=None),
    )


def _listening(begun: RecognitionBegun) -> Listening:
    try:
        return Listening.of(begun)
    except ValueError as error:
        raise ReplayRefused(f"This version cannot repeat the session: {error}.") from error
