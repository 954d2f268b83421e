"""One publication by WHIP: a peer, the session it speaks into, and what is between them."""

import asyncio
import contextlib
import logging
import math
import secrets
from collections import deque
from collections.abc import Sequence
from typing import Final

from greffier.codec import encode
from greffier.protocol import (
    Ack,
    AudioFormat,
    Error,
    Finish,
    Finished,
    ServerMessage,
    Start,
    Started,
)
from greffier_models.errors import EngineError
from greffier_server.errors import ServerError, SessionClosed
from greffier_server.media.codecs import OPUS_RATE, OpusDecoder
from greffier_server.media.rtp import RtpPacket
from greffier_server.media.tracks import Track, Tracks
from greffier_server.transport.frames import closing
from greffier_server.transport.greeting import parse
from greffier_server.transport.guest import Doorway, Guest, welcome
from greffier_server.transport.whip.peer import Peer
from greffier_server.transport.whip.refusals import ConditionFailed, ConditionMissing
from greffier_server.transport.whip.sdp import Fragment, Offer
from greffier_server.transport.whip.settings import WebRtcSettings

__all__ = ["Publication", "session_format"]

_log = logging.getLogger(__name__)

_BATCH_S: Final = 0.04
_TICK_S: Final = 0.1
_MAX_WAITING: Final = 1_500
"""Packets of a track, 30 s of them; what comes when they wait counts as lost."""
_MAX_COMPLAINTS: Final = 20
_DRAIN_S: Final = 5.0
_ACK_INTERVAL_S: Final = 0.5
_GOODBYE_S: Final = 2.0
_HOLD_S: Final = 0.3
"""Longer than for RTP that is never sent again: a packet that is asked for needs a round trip."""
_IN_FLIGHT_S: Final = 0.3
"""Sound that was sent before ``finish`` may come after it: they travel apart."""


def session_format(offer: Offer, *, separate: bool) -> AudioFormat:
    """Return what the session of an offer holds.

    A channel a track; two of the only one where it is stereo and channels are speakers.
    """
    return AudioFormat("pcm_s16le", OPUS_RATE, sum(_widths(offer, separate=separate)))


def _widths(offer: Offer, *, separate: bool) -> list[int]:
    alone = len(offer.audio) == 1
    return [2 if separate and alone and track.stereo else 1 for track in offer.audio]


class Publication:
    """Runs from the offer to the end of the session.

    Args:
        doorway: of the server.
        settings: of WebRTC.
        tenant: who pays.
        offer: checked.
        start: what the session is asked to do, its format included; or which one is resumed.
        addresses: of this machine for UDP.
    """

    def __init__(
        self,
        doorway: Doorway,
        settings: WebRtcSettings,
        *,
        tenant: str,
        offer: Offer,
        start: Start,
        addresses: Sequence[str],
    ) -> None:
        self.id = secrets.token_urlsafe(18)
        self.tenant = tenant
        self.etag = _new_etag()
        self.session = ""
        self.token = ""
        """What the session is resumed with."""
        self.answer = ""
        self._doorway = doorway
        self._settings = settings
        self._offer = offer
        self._start = start
        self._packets: deque[tuple[int, RtpPacket, float]] = deque()
        self._arrived = asyncio.Event()
        self._heard_s = 0.0
        self._cut_off_s = math.inf
        self._texts: asyncio.Queue[str] = asyncio.Queue(_MAX_COMPLAINTS)
        self._username: str = offer.username
        self._over = asyncio.Event()
        self._parting = ""
        self.ready: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        """Done when the answer is there; holds the refusal otherwise."""
        self._peer = Peer(
            settings, addresses=addresses, on_packet=self._take, on_text=self._take_text
        )

    async def run(self) -> None:
        """Live; raises nothing but cancellation."""
        try:
            with self._doorway.connections.place():
                self._doorway.check_room()
                await self._publish()
        except (ServerError, EngineError) as error:
            self._fail(error)
        except ExceptionGroup as group:
            for each in group.exceptions:
                self._fail(each)
        except Exception as error:  # noqa: BLE001 - the last boundary: nothing may pass it
            self._fail(error)
        finally:
            await self._peer.close()

    def end(self) -> None:
        """The client wants no more: its session is finished."""
        self._over.set()

    def supersede(self) -> None:
        """The client has come back with another connection, which has the session now."""
        self._part("taken over")

    async def change(self, fragment: Fragment, *, if_match: str | None) -> str | None:
        """Take candidates, or restart ICE; return the answer to a restart (RFC 9725 §4.3).

        Raises:
            ConditionMissing, ConditionFailed, MalformedOffer.
        """
        if if_match is None:
            raise ConditionMissing('name the ICE session: If-Match with its ETag, or "*"')
        if if_match not in (self.etag, "*", '"*"'):
            raise ConditionFailed("ICE was restarted in the meantime; use the newest ETag")
        if fragment.username == self._username:
            await self._peer.path.add(fragment)
            return None
        answer = await self._peer.restart(fragment)
        self._username, self.etag = fragment.username, _new_etag()
        return answer

    async def _publish(self) -> None:
        separate = self._start.channels == "separate"
        widths = _widths(self._offer, separate=separate)
        answer = await self._peer.answer(self._offer, stereo=max(widths) > 1)
        async with welcome(self._doorway, self.tenant, self._start, protocol="whip") as guest:
            first = guest.session.accepted_samples
            tracks = await asyncio.to_thread(_tracks, widths, separate=separate, first_sample=first)
            self.session, self.token, self.answer = guest.session.id, guest.token, answer
            if not self.ready.done():
                self.ready.set_result(None)
            self._heard_s = _now_s()
            async with asyncio.TaskGroup() as group:
                audio = group.create_task(self._pump(guest, tracks), name="whip-audio")
                works = [
                    group.create_task(self._tell(guest), name="whip-captions"),
                    group.create_task(self._acknowledge(guest), name="whip-acks"),
                    group.create_task(self._listen(), name="whip-texts"),
                    group.create_task(self._watch_path(), name="whip-path"),
                    group.create_task(self._watch_silence(), name="whip-silence"),
                    group.create_task(self._watch_server(), name="whip-stop"),
                ]
                await self._over.wait()
                for work in works:
                    work.cancel()
                await asyncio.wait({audio}, timeout=_DRAIN_S)
                audio.cancel()
            if self._parting:
                guest.leave(self._parting)

    def _take(self, track: int, packet: RtpPacket) -> None:
        self._heard_s = _now_s()
        if len(self._packets) < _MAX_WAITING * len(self._offer.audio):
            self._packets.append((track, packet, self._heard_s))
            self._arrived.set()

    def _take_text(self, text: str) -> None:
        if not self._texts.full():
            self._texts.put_nowait(text)

    async def _pump(self, guest: Guest, tracks: Tracks) -> None:
        last = False
        while not last:
            await self._next_packets()
            last = self._over.is_set() or self._cut_off_s < _now_s()
            batch = tuple(self._packets)
            self._packets.clear()
            await asyncio.to_thread(_place, tracks, batch, _now_s(), last=last)
            await self._push(guest, tracks)
        if not self._over.is_set():
            await guest.finish()

    async def _next_packets(self) -> None:
        """Wait for some, for what comes with them, or for a while."""
        try:
            async with asyncio.timeout(_TICK_S):
                await self._arrived.wait()
        except TimeoutError:
            return
        await asyncio.sleep(_BATCH_S)
        self._arrived.clear()

    async def _push(self, guest: Guest, tracks: Tracks) -> None:
        while audio := await asyncio.to_thread(tracks.take):
            await guest.push(audio)
        await guest.note_gaps(tracks.gaps())

    async def _tell(self, guest: Guest) -> None:
        """Send everything on the captions channel, from the first event on."""
        await self._peer.opened.wait()
        resume = self._start.resume
        seen = 0 if resume is None else resume.after_seq
        # With the token its client can go on by WebSocket where UDP does not get through any more.
        await self._send(
            Started(guest.session.id, guest.token, seen, guest.session.durable_samples)
        )
        async for message in guest.messages(after_seq=seen):
            await self._send(message)
            if isinstance(message, Finished):
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(_DRAIN_S):
                        await self._peer.drained()
                # What has left may still be lost and sent again: the client closes when it has all.
                await _any(self._peer.gone, timeout_s=_GOODBYE_S)
                self._over.set()

    async def _acknowledge(self, guest: Guest) -> None:
        """Say what is on disk, now and then: what the client may forget, and that it is heard."""
        await self._peer.opened.wait()
        async with closing(guest.session.acks()) as durable:
            async for samples in durable:
                await self._send(Ack(samples))
                await asyncio.sleep(_ACK_INTERVAL_S)

    async def _send(self, message: ServerMessage) -> None:
        try:
            await self._peer.send(encode(message))
        except ValueError:
            too_long = "too long for this channel; read it over HTTP"
            await self._peer.send(encode(Error("message_too_large", too_long)))

    async def _listen(self) -> None:
        """What the client says on the captions channel."""
        complaints = 0
        while complaints < _MAX_COMPLAINTS:
            try:
                message = parse(await self._texts.get())
            except ServerError as error:
                complaints += 1
                await self._send(Error(error.code, error.message, error.retryable))
                continue
            if isinstance(message, Finish):
                self._cut_off_s = min(self._cut_off_s, _now_s() + _IN_FLIGHT_S)

    async def _watch_path(self) -> None:
        peer, settings = self._peer, self._settings
        await _any(peer.gone, peer.connected, timeout_s=settings.connect_timeout_s)
        if not peer.connected.is_set():
            _log.info("a peer never connected")
            self._over.set()
        while not self._over.is_set():
            await _any(peer.gone, peer.path.down)
            if not peer.gone.is_set():
                await _any(peer.gone, peer.path.up, timeout_s=settings.lost_timeout_s)
            if peer.gone.is_set() or not peer.path.up.is_set():
                _log.info("a peer is gone")
            if peer.gone.is_set():
                self._over.set()
            elif not peer.path.up.is_set():
                self._part("connection lost")

    async def _watch_silence(self) -> None:
        """A peer that is connected and sends nothing holds its place no longer than others."""
        limit_s = self._doorway.limits.idle_timeout_s
        while (left_s := self._heard_s + limit_s - _now_s()) > 0:  # noqa: ASYNC110 - a time
            await asyncio.sleep(left_s)
        self._over.set()

    async def _watch_server(self) -> None:
        await self._doorway.connections.stopped()
        self._over.set()

    def _part(self, cause: str) -> None:
        """End the connection and keep the session for the client."""
        self._parting = cause
        self._over.set()

    def _fail(self, error: Exception) -> None:
        if not self.ready.done():
            self.ready.set_exception(error)
            self.ready.exception()  # whoever asked may be gone already
        elif isinstance(error, SessionClosed):
            _log.info("a publication's session was ended")
        elif isinstance(error, ServerError | EngineError):
            _log.info("a publication ended", extra={"code": error.code})
        else:
            _log.error("a publication failed", exc_info=error)


async def _any(*events: asyncio.Event, timeout_s: float | None = None) -> None:
    """Wait for the first of some events, or a time."""
    waits = [asyncio.create_task(event.wait()) for event in events]
    try:
        await asyncio.wait(waits, timeout=timeout_s, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for wait in waits:
            wait.cancel()
        await asyncio.gather(*waits, return_exceptions=True)


def _tracks(widths: Sequence[int], *, separate: bool, first_sample: int) -> Tracks:
    decoders = [OpusDecoder(channels=width) for width in widths]
    made = [
        Track(channels=width, decode=decoder, conceal=decoder.conceal)
        for width, decoder in zip(widths, decoders, strict=True)
    ]
    return Tracks(
        made, rate=OPUS_RATE, separate=separate, first_sample=first_sample, hold_s=_HOLD_S
    )


def _place(
    tracks: Tracks, batch: Sequence[tuple[int, RtpPacket, float]], now_s: float, *, last: bool
) -> None:
    for track, packet, arrived_s in batch:
        tracks.put(track, packet, arrived_s)
    tracks.wait(now_s)
    if last:
        tracks.flush()


def _new_etag() -> str:
    return f'"{secrets.token_urlsafe(9)}"'


def _now_s() -> float:
    return asyncio.get_running_loop().time()
