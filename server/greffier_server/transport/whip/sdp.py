"""Offers, answers and fragments of WHIP as text (SDP, RFC 8866; fragments, RFC 8840).

Of an offer only what the server takes goes on: sections with Opus that send, and the data channel.
All others are refused in the answer, so that a client that also offers video publishes its sound.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Final

from greffier_server.transport.whip.refusals import MalformedOffer, UnsupportedOffer

__all__ = ["AudioSection", "Fragment", "Offer", "parse_fragment", "parse_offer", "whole_answer"]

_MAX_SECTIONS: Final = 32
_MAX_TRACKS: Final = 8
_MAX_CANDIDATES: Final = 32
"""Checks go to addresses that the client names: it does not get to name many."""
_OPUS: Final = re.compile(r"^a=rtpmap:(\d{1,3}) opus/48000/2\s*$", re.IGNORECASE)
_RED: Final = re.compile(r"^a=rtpmap:(\d{1,3}) red/48000/2\s*$", re.IGNORECASE)
_STEREO: Final = re.compile(r"\b(?:sprop-)?stereo=1\b")
_TOKEN: Final = re.compile(r"^[\x21-\x7e]{1,256}$")
_KEYS: Final = {
    "ice-ufrag": re.compile(r"^[A-Za-z0-9+/]{4,256}$"),
    "ice-pwd": re.compile(r"^[A-Za-z0-9+/]{22,256}$"),
    "fingerprint": re.compile(r"^sha-\d{3} [0-9A-Fa-f]{2}(:[0-9A-Fa-f]{2}){15,63}$"),
}
"""RFC 8839 §5.4, RFC 8122 §5."""
_CANDIDATE: Final = re.compile(
    r"^\S{1,32} \d{1,3} (?i:udp) \d{1,10} (?P<host>[0-9A-Fa-f.:]{2,45}) \d{1,5} typ \w+( \S+ \S+)*$"
)


@dataclass(frozen=True, slots=True)
class AudioSection:
    """A track that the client sends."""

    mid: str
    stereo: bool
    resends: bool = False
    """It says that it sends again what is asked for (``nack``, RFC 4585)."""
    redundant: int | None = None
    """Payload type of redundant audio (RFC 2198), where it can send that."""


@dataclass(frozen=True, slots=True)
class Fragment:
    """What a client sends later: more candidates, or new credentials to restart ICE with."""

    username: str
    password: str
    candidates: tuple[str, ...]
    complete: bool


@dataclass(frozen=True, slots=True)
class _Section:
    lines: tuple[str, ...]

    @property
    def head(self) -> list[str]:
        return self.lines[0].removeprefix("m=").split()

    @property
    def kind(self) -> str:
        return self.head[0]

    def attribute(self, name: str) -> str | None:
        prefix = f"a={name}:"
        return next((line[len(prefix) :] for line in self.lines if line.startswith(prefix)), None)


@dataclass(frozen=True, slots=True)
class Offer:
    """An offer, checked."""

    text: str
    """Only what is taken."""
    audio: tuple[AudioSection, ...]
    refused: tuple[tuple[int, str, str], ...]
    """Place among all sections, first line of the refusal, mid."""
    username: str
    """ICE user name fragment."""


def parse_offer(text: str) -> Offer:
    """Check an offer and take from it what the server can do.

    Raises:
        MalformedOffer: not an offer for a bundled WebRTC connection.
        UnsupportedOffer: no Opus that is sent, or too many tracks.
    """
    session, sections = _split(text)
    taken, refused = _sorted(sections)
    audio = [section for section in taken if section.kind == "audio"]
    if not audio:
        raise UnsupportedOffer("offer at least one audio track that sends Opus")
    if len(audio) > _MAX_TRACKS:
        raise UnsupportedOffer(f"offer at most {_MAX_TRACKS} audio tracks")
    mids = [section.attribute("mid") or "" for section in taken]
    if not all(map(_TOKEN.match, mids)) or len(set(mids)) < len(mids):
        raise MalformedOffer("every section needs an a=mid of its own")
    _check_keys(session, taken)
    bundled = any(line.startswith("a=group:BUNDLE ") for line in session)
    if len(taken) > 1 and not bundled:
        raise MalformedOffer("the tracks must share one connection: a=group:BUNDLE")
    lines = [line for line in session if not line.startswith("a=group:")]
    lines.append(f"a=group:BUNDLE {' '.join(mids)}")
    candidates = _candidates([line for section in sections for line in section.lines])
    for section in taken:  # in each: aiortc takes those of the last one on a connection
        lines += [line for line in section.lines if not _is_candidate(line)]
        lines += [f"a=candidate:{candidate}" for candidate in candidates]
    tracks = [_audio(section) for section in audio]
    username = taken[0].attribute("ice-ufrag") or _value(session, "ice-ufrag")
    return Offer("\r\n".join(lines) + "\r\n", tuple(tracks), tuple(refused), username)


def whole_answer(text: str, offer: Offer, *, stereo: bool, public_address: str | None) -> str:
    """Return the answer with a refusal in place of every section that was not taken.

    A client that can is asked to send again what is lost, or else to send everything twice. The
    codec's own error correction is declined: nothing here decodes it.
    """
    session, sections = _split(text)
    mids = [section.attribute("mid") or "" for section in sections]
    offered = {track.mid: track for track in offer.audio}
    parts = [
        _said(section, offered.get(section.attribute("mid") or ""), stereo=stereo)
        for section in sections
    ]
    for place, head, mid in offer.refused:
        part = [head, "c=IN IP4 0.0.0.0", "a=inactive", *([f"a=mid:{mid}"] if mid else [])]
        parts.insert(place, part)
    lines = [line for line in session if not line.startswith("a=group:")]
    lines.append(f"a=group:BUNDLE {' '.join(mids)}")
    lines += [line for part in parts for line in part]
    if public_address is not None:
        lines = [_translated(line, public_address) for line in lines]
    return "\r\n".join(lines) + "\r\n"


def parse_fragment(text: str) -> Fragment:
    """Read a fragment.

    Raises:
        MalformedOffer: it is none.
    """
    lines = text.replace("\r\n", "\n").split("\n")
    username, password = _value(lines, "ice-ufrag"), _value(lines, "ice-pwd")
    if not _KEYS["ice-ufrag"].match(username) or not _KEYS["ice-pwd"].match(password):
        raise MalformedOffer("a fragment names a=ice-ufrag and a=ice-pwd")
    return Fragment(username, password, _candidates(lines), "a=end-of-candidates" in lines)


def _split(text: str) -> tuple[list[str], list[_Section]]:
    lines = [line.rstrip() for line in text.replace("\r\n", "\n").split("\n") if line.strip()]
    if not lines or lines[0] != "v=0" or not text.isascii():
        raise MalformedOffer("not a session description (SDP)")
    begins = [at for at, line in enumerate(lines) if line.startswith("m=")]
    if not 1 <= len(begins) <= _MAX_SECTIONS:
        raise MalformedOffer(f"a session description has 1 to {_MAX_SECTIONS} media sections")
    edges = [*begins, len(lines)]
    sections = [_Section(tuple(lines[a:b])) for a, b in pairwise(edges)]
    if any(len(section.head) < 4 for section in sections):
        raise MalformedOffer("a media section has no formats")
    return lines[: begins[0]], sections


def _sorted(sections: Sequence[_Section]) -> tuple[list[_Section], list[tuple[int, str, str]]]:
    taken: list[_Section] = []
    refused: list[tuple[int, str, str]] = []
    for place, section in enumerate(sections):
        data = section.kind == "application" and "webrtc-datachannel" in section.head
        first = data and all(other.kind != "application" for other in taken)
        if first or (section.kind == "audio" and _sends(section) and _opus(section)):
            taken.append(section)
        else:
            kind, _, profile, fmt, *_ = section.head
            refused.append((place, f"m={kind} 0 {profile} {fmt}", section.attribute("mid") or ""))
    return taken, refused


def _check_keys(session: Sequence[str], taken: Sequence[_Section]) -> None:
    for section in taken:
        for name, pattern in _KEYS.items():
            if not pattern.match(section.attribute(name) or _value(session, name)):
                raise MalformedOffer(f"the offer lacks a={name}, or it is malformed")
        if section.kind == "audio" and "a=rtcp-mux" not in section.lines:
            raise MalformedOffer("the offer lacks a=rtcp-mux")


def _sends(section: _Section) -> bool:
    return "a=recvonly" not in section.lines and "a=inactive" not in section.lines


def _opus(section: _Section) -> str | None:
    found = (_OPUS.match(line) for line in section.lines)
    return next((match.group(1) for match in found if match), None)


def _stereo(section: _Section) -> bool:
    prefix = f"a=fmtp:{_opus(section)} "
    return any(line.startswith(prefix) and _STEREO.search(line) for line in section.lines)


def _audio(section: _Section) -> AudioSection:
    opus = _opus(section)
    resends = any(f"a=rtcp-fb:{kind} nack" in section.lines for kind in (opus, "*"))
    red = next((found.group(1) for line in section.lines if (found := _RED.match(line))), None)
    carries = re.compile(rf"^a=fmtp:{red} {opus}(/{opus})*$")
    redundant = int(red) if red and any(map(carries.match, section.lines)) else None
    return AudioSection(section.attribute("mid") or "", _stereo(section), resends, redundant)


def _said(section: _Section, offered: AudioSection | None, *, stereo: bool) -> list[str]:
    payload_type = _opus(section)
    lines = [line for line in section.lines if not line.startswith(f"a=fmtp:{payload_type} ")]
    if payload_type is None or offered is None:
        return lines
    at = next(at for at, line in enumerate(lines) if _OPUS.match(line))
    wish = "stereo=1" if stereo else "stereo=0"
    said = [f"a=fmtp:{payload_type} minptime=10;useinbandfec=0;{wish}"]
    if offered.resends:
        said.append(f"a=rtcp-fb:{payload_type} nack")
    elif offered.redundant is not None:  # first in the list: this one is to be sent
        head = section.head
        lines[0] = f"m={' '.join([*head[:3], str(offered.redundant), *head[3:]])}"
        said.append(f"a=rtpmap:{offered.redundant} red/48000/2")
        said.append(f"a=fmtp:{offered.redundant} {payload_type}/{payload_type}")
    return [*lines[: at + 1], *said, *lines[at + 1 :]]


def _is_candidate(line: str) -> bool:
    return line.startswith("a=candidate:") or line == "a=end-of-candidates"


def _candidates(lines: Sequence[str]) -> tuple[str, ...]:
    """Return those that are UDP addresses.

    Names of multicast DNS are left out: nobody is asked for them, and the checks that come from
    such a client show its address.
    """
    found = (line.removeprefix("a=candidate:") for line in lines if line.startswith("a=candidate:"))
    return tuple(dict.fromkeys(line for line in found if _CANDIDATE.match(line)))[:_MAX_CANDIDATES]


def _translated(line: str, address: str) -> str:
    if not line.startswith("a=candidate:"):
        return line
    parts = line.split(" ")
    if "host" in parts[6:8]:
        parts[4] = address
    return " ".join(parts)


def _value(lines: Sequence[str], name: str) -> str:
    prefix = f"a={name}:"
    return next((line[len(prefix) :].strip() for line in lines if line.startswith(prefix)), "")
