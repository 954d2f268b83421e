"""What the clock decides for a channel, and not its audio: kept, so that it can be heard again.

Two things about recognition depend on how busy the machine is: how far apart the decodes are, and
whether the engine answers at all. Both are recorded with the first event that rests on them, in the
same append. All else is a function of the audio and of `RecognitionBegun`.
"""

from collections import deque
from collections.abc import Sequence, Set
from dataclasses import replace

from greffier_server.core.events import DecisionsTimed, Event, RecognitionBegun, WordsCommitted
from greffier_server.core.ladder import LEVELS
from greffier_server.core.policy import DecodeRequest, IdentifyRequest, StreamingPolicy
from greffier_server.pipeline.pace import Tempo
from greffier_server.pipeline.vocabulary import Vocabulary

__all__ = ["POISONED", "UNANSWERED", "Opening", "Timing"]

UNANSWERED = 0
"""The engine failed to the last attempt."""
POISONED = 1
"""The request ended the engine's process, and was set aside."""


class Opening:
    """The first event of recognition, for whichever channel of a session records one first.

    Args:
        begun: the event; None = nothing is recorded.
    """

    def __init__(self, begun: RecognitionBegun | None = None) -> None:
        self._begun = begun

    def take(self) -> list[Event]:
        """The event the first time, and nothing later."""
        begun, self._begun = self._begun, None
        return [] if begun is None else [begun]


class Timing:
    """The tempo of one channel, and what the engine never answered.

    Args:
        policy: is hurried.
        channel: from 1; 0 = all of them, mixed down.
        opening: shared with the other channels of the session.
        given_up: in a replay: as recorded in `DecisionsTimed`.
        learned: likewise; None = this is no replay.
    """

    def __init__(
        self,
        policy: StreamingPolicy,
        channel: int = 0,
        *,
        opening: Opening | None = None,
        given_up: Set[tuple[int, ...]] = frozenset(),
        learned: Sequence[tuple[int, ...]] | None = None,
    ) -> None:
        self._policy = policy
        self._channel = channel
        self._opening = opening or Opening()
        self._lost = {(heard_ms, number): why for heard_ms, number, why in given_up}
        self._tempo = Tempo()
        self._heard_ms = -1
        self._asked = 0
        self._paced: list[tuple[int, ...]] = []
        self._given_up: list[tuple[int, ...]] = []
        self._to_learn = None if learned is None else deque(learned)
        self._learned: list[tuple[int, ...]] = []
        self._learned_ms = -1
        self._known = 0

    def hotwords(self, heard_ms: int, vocabulary: Vocabulary) -> tuple[str, ...]:
        """What is listened for when so much was heard: terms may come while a session runs."""
        if self._to_learn is not None:
            while self._to_learn and self._to_learn[0][0] <= heard_ms:
                self._known = self._to_learn.popleft()[1]
        # Decodes at the same time all have the same terms, so that the time tells which had which.
        elif vocabulary.seq != self._known and heard_ms > self._learned_ms:
            self._known = vocabulary.seq
            self._learned.append((heard_ms, self._known))
        self._learned_ms = heard_ms
        return vocabulary.as_of(self._known)

    def request(self, heard_ms: int, tempo: Tempo) -> DecodeRequest | IdentifyRequest | None:
        """What the policy asks for first when it has heard so much, hurried as `tempo` says.

        A tempo that would ask for the same as the one before it is not taken over: loads change all
        the time, and what makes no difference need not be recorded.
        """
        if heard_ms > self._heard_ms:  # the end of the audio may come at the last step's time
            self._heard_ms, self._asked = heard_ms, 0
        request = self._policy.request()
        if tempo == self._tempo:
            return request
        self._hurry(tempo)
        hurried = self._policy.request()
        if request == hurried:
            self._hurry(self._tempo)
            return request
        self._tempo = tempo
        self._paced.append((heard_ms, tempo.hop_ms, LEVELS.index(tempo.level)))
        return hurried

    def loss(self) -> int | None:
        """A request is about to be asked; why that was in vain, where it is recorded."""
        self._asked += 1
        return self._lost.get((self._heard_ms, self._asked - 1))

    def give_up(self, why: int) -> None:
        """The engine did not answer the request."""
        self._given_up.append((self._heard_ms, self._asked - 1, why))

    def with_decisions(self, events: Sequence[Event]) -> list[Event]:
        """`events` of the channel, and what they rest on; to be appended together."""
        if not any(event.durable for event in events):
            return [*events]
        paced, given_up = tuple(self._paced), tuple(self._given_up)
        self._paced, self._given_up = [], []
        recorded = [*events]
        for place, event in enumerate(recorded):
            if isinstance(event, WordsCommitted) and paced:
                recorded[place] = replace(event, paced=paced)
                paced = ()
        learned, self._learned = tuple(self._learned), []
        if paced or given_up or learned:
            recorded.insert(0, DecisionsTimed(self._channel, paced, given_up, learned))
        return [*self._opening.take(), *recorded]

    def _hurry(self, tempo: Tempo) -> None:
        self._policy.quicken(tempo.level)
        self._policy.pace(tempo.hop_ms)
