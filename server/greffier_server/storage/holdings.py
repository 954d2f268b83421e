"""What this node owns: the epochs by which its writes are fenced.

Each time a session changes hands its epoch grows. Whoever writes to it holds the epoch it was given
against the row, under a lock on the row, so that a server that was asleep while its session went
elsewhere can write nothing.
"""

from collections.abc import Generator, Mapping
from contextlib import contextmanager

from greffier_server.storage.failures import moved
from greffier_server.storage.rows import Key

__all__ = ["Holdings"]

_FIRST_EPOCH = 1


class Holdings:
    """Sessions of one node by key; used on one event loop.

    Args:
        node: this server's name, different from all others' on the same database.
    """

    def __init__(self, node: str) -> None:
        self.node = node
        self._epochs: dict[Key, int] = {}
        self._coming: set[Key] = set()

    @property
    def epochs(self) -> Mapping[Key, int]:
        """What is owned now, as a copy."""
        return dict(self._epochs)

    def epoch(self, key: Key) -> int | None:
        """Under which this node owns a session; None = it does not."""
        return self._epochs.get(key)

    def concerns(self, key: Key) -> bool:
        """The session is owned, or is being made here."""
        return key in self._epochs or key in self._coming

    @contextmanager
    def first(self, key: Key) -> Generator[dict[str, object], None, None]:
        """Make a session inside the block, with these values in its row; it is owned after it."""
        self._coming.add(key)
        try:
            yield {"owner": self.node, "epoch": _FIRST_EPOCH}
            self._epochs[key] = _FIRST_EPOCH
        finally:
            self._coming.discard(key)

    def take(self, key: Key, epoch: int) -> None:
        """The session is owned from now on."""
        self._epochs[key] = epoch

    def drop(self, key: Key) -> None:
        """The session is no longer owned."""
        self._epochs.pop(key, None)

    def check(self, key: Key, *, owner: str | None, epoch: int) -> None:
        """Compare what the session's row says with what is held.

        Raises:
            SessionMoved: another node owns the session, or this one did in an earlier epoch.
        """
        held = self._epochs.get(key)
        if owner is None and held is None:
            return
        if owner != self.node or held != epoch:
            raise moved()
