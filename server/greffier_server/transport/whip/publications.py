"""The WHIP publications of one process: begun, gone on with after a restart, found, ended."""

import asyncio
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace

from greffier.protocol import AudioFormat, Resume, Start
from greffier_server.core.events import SessionStarted
from greffier_server.errors import AuthenticationFailed, ServerBusy, SessionNotFound
from greffier_server.transport.frames import closing
from greffier_server.transport.guesses import Guesses
from greffier_server.transport.guest import Doorway
from greffier_server.transport.refusals import TooManyGuesses
from greffier_server.transport.whip.peer import load_webrtc
from greffier_server.transport.whip.publication import Publication, session_format
from greffier_server.transport.whip.refusals import (
    OtherTracks,
    PublicationNotFound,
    WebRtcMissing,
)
from greffier_server.transport.whip.sdp import parse_offer
from greffier_server.transport.whip.settings import WebRtcSettings

__all__ = ["Publications"]


@dataclass(frozen=True, slots=True)
class _Held:
    publication: Publication
    task: asyncio.Task[None]


@dataclass(frozen=True, slots=True)
class _Began:
    form: AudioFormat
    at_ms: int


class Publications:
    """The publications of this process; one that has ended is forgotten.

    Args:
        doorway: of the server.
        settings: of WebRTC.
        addresses: of this machine for UDP; empty = all.
    """

    def __init__(
        self, doorway: Doorway, settings: WebRtcSettings, *, addresses: Sequence[str]
    ) -> None:
        self.doorway = doorway
        self.settings = settings
        self._addresses = tuple(addresses)
        self._held: dict[str, _Held] = {}
        self._guesses = Guesses(time.monotonic)

    async def resume(
        self, tenant: str, offer_text: str, start: Start, resume: Resume, *, address: str
    ) -> Publication:
        """Begin a publication that goes on with a session, after its connection or server died.

        What was said meanwhile is a gap, as long as the clock on the wall tells.

        Args:
            tenant: owner.
            offer_text: of the new connection, with as many tracks as the one before.
            start: as it was asked for then.
            resume: session and token; its sample is found here.
            address: of the client.

        Raises:
            SessionNotFound, AuthenticationFailed, TooManyGuesses, SessionClosed, OtherTracks.
            ServerError: as in `open`.
        """
        if self._guesses.refused(address, resume.session):
            raise TooManyGuesses("too many wrong tokens for this session; wait a minute")
        began = await self._began(tenant, resume.session)
        separate = start.channels == "separate"
        if session_format(parse_offer(offer_text), separate=separate) != began.form:
            raise OtherTracks("the session began with other tracks; offer the same ones")
        passed_ms = max(0, time.time_ns() // 1_000_000 - began.at_ms)
        here = replace(resume, from_sample=passed_ms * began.form.rate // 1_000)
        before = self._of(resume.session)
        try:
            publication = await self.open(tenant, offer_text, replace(start, resume=here))
        except AuthenticationFailed:
            self._guesses.wrong(address, resume.session)
            raise
        for each in before:
            each.supersede()
        return publication

    async def open(self, tenant: str, offer_text: str, start: Start | None = None) -> Publication:
        """Begin a publication; returns when its answer is there.

        Raises:
            MalformedOffer, UnsupportedOffer, WebRtcMissing.
            ServerBusy: no room for one more peer.
            ServerError: whatever the session is refused for.
        """
        if self.settings.peers == 0:
            raise WebRtcMissing("this server takes no WebRTC")
        offer = parse_offer(offer_text)
        await asyncio.to_thread(load_webrtc)
        asked = start or Start()
        leaving = self._of(asked.resume.session) if asked.resume else []
        if len(self._held) - len(leaving) >= self.settings.peers:
            raise ServerBusy("no room for one more WebRTC connection; try again later")
        separate = asked.channels == "separate"
        publication = Publication(
            self.doorway,
            self.settings,
            tenant=tenant,
            offer=offer,
            start=replace(asked, format=session_format(offer, separate=separate)),
            addresses=self._addresses,
        )
        task = asyncio.create_task(publication.run(), name=f"whip {publication.id}")
        self._held[publication.id] = _Held(publication, task)
        task.add_done_callback(lambda _: self._held.pop(publication.id, None))
        try:
            await publication.ready
        except asyncio.CancelledError:
            publication.end()
            raise
        return publication

    def get(self, tenant: str, publication: str) -> Publication:
        """Return a publication.

        Raises:
            PublicationNotFound: not here, or not of this tenant.
        """
        held = self._held.get(publication)
        if held is None or held.publication.tenant != tenant:
            raise PublicationNotFound("there is no such publication, or it has ended")
        return held.publication

    async def end(self, tenant: str, publication: str) -> None:
        """End a publication; returns when its peer is gone."""
        self.get(tenant, publication).end()
        await asyncio.wait({self._held[publication].task})

    async def _began(self, tenant: str, session: str) -> _Began:
        records = self.doorway.services.store.events(tenant, session)
        async with closing(records):
            async for record in records:
                if isinstance(record.event, SessionStarted):
                    return _Began(record.event.format, record.at_ms)
        raise SessionNotFound("There is no such session.")

    def _of(self, session: str) -> list[Publication]:
        """Return the publications here that speak, or spoke, into a session."""
        found = (held.publication for held in self._held.values())
        return [publication for publication in found if publication.session == session]

    async def close(self) -> None:
        """End all of them."""
        held = list(self._held.values())
        for each in held:
            each.publication.end()
        await asyncio.gather(*(each.task for each in held), return_exceptions=True)
