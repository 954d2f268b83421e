"""Real senders of sound, each into a real server, cut in the middle where it can be.

``python -m benchmarks.radio_sources`` runs each whose Debian packages (`SENDERS`) are there and
prints what the session's log and recording hold: the tone before and after the cut, and the gap.
It returns 1 when a sender that could run was not heard. Those that FFmpeg alone can play are in
``tests/integration/test_ingest_real.py``.
"""

import argparse
import io
import ipaddress
import json
import signal
import subprocess
import sys
import tempfile
import time
import wave
from collections.abc import Callable, Generator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final
from urllib.request import urlopen

import numpy as np

from benchmarks.results import result_folder, write_result
from greffier_server.child import ChildServer, free_port
from greffier_server.transport.whip.settings import own_addresses

__all__ = ["SENDERS", "Heard", "main"]

_HZ: Final = (440, 880)
_PLAY_S: Final = 4.0
_GSTREAMER: Final = Path(__file__).parent / "gstreamer"
_PYTHON: Final = "/usr/bin/python3"
_ICECAST: Final = """<icecast>
<limits><clients>9</clients><sources>2</sources><burst-on-connect>0</burst-on-connect></limits>
<authentication><source-password>essai</source-password><admin-password>essai</admin-password>
</authentication>
<listen-socket><port>{port}</port><bind-address>127.0.0.1</bind-address></listen-socket>
<paths><logdir>{folder}</logdir><webroot>/usr/share/icecast2/web</webroot>
<adminroot>/usr/share/icecast2/admin</adminroot></paths>
<security><changeowner><user>nobody</user><group>nogroup</group></changeowner></security>
</icecast>
"""


@dataclass(frozen=True, slots=True)
class Heard:
    """What came of one sender."""

    sender: str
    pitches: tuple[float, ...]
    """Of the sound before and behind the gap, or of all of it."""
    gaps: tuple[tuple[int, int, str], ...]
    """From and to in ms, and cause."""
    duration_ms: int

    @property
    def good(self) -> bool:
        """Each tone was heard, and the cut told."""
        wanted = _HZ[: len(self.pitches)]
        near = all(abs(a - b) < 6 for a, b in zip(self.pitches, wanted, strict=True))
        return bool(self.pitches) and near and len(self.gaps) >= len(self.pitches) - 1


@contextmanager
def _running(*command: str) -> Generator[subprocess.Popen[bytes]]:
    process = subprocess.Popen(
        command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    try:
        yield process
    finally:
        process.kill()
        process.wait()


@contextmanager
def _ingesting(server: ChildServer, source: str) -> Generator[Callable[[], str]]:
    """Run ``greffier ingest``; yield what waits for its session and returns it."""
    arguments = ["ingest", source, "--server", server.url, "--quiet"]
    process = subprocess.Popen(
        [sys.executable, "-m", "greffier", *arguments], stderr=subprocess.PIPE, text=True
    )
    assert process.stderr is not None

    def session() -> str:
        assert process.stderr is not None
        for line in process.stderr:
            if line.startswith("Session "):
                return line.split()[1]
        raise RuntimeError("ingest ended without a session")

    try:
        yield session
    finally:
        process.send_signal(signal.SIGINT)
        process.wait(30)
        process.stderr.close()


def _rtsp(server: ChildServer, codec: str) -> str:
    port = free_port()
    script = str(_GSTREAMER / "rtsp_server.py")
    with ExitStack() as stack:
        session = stack.enter_context(_ingesting(server, f"rtsp://127.0.0.1:{port}/audio"))
        return _cut([[_PYTHON, script, str(port), str(hz), codec] for hz in _HZ], server, session)


def _icecast(server: ChildServer, folder: Path) -> str:
    port = free_port()
    configuration = folder / "icecast.xml"
    configuration.write_text(_ICECAST.format(port=port, folder=folder), encoding="utf-8")
    folder.chmod(0o777)  # icecast2 gives up being root
    folder.parent.chmod(0o711)
    source = f"icecast://source:essai@127.0.0.1:{port}/net.mp3"
    play = [
        [
            *("ffmpeg", "-nostdin", "-re", "-f", "lavfi", "-i", f"sine=frequency={hz}:duration=60"),
            *("-c:a", "libmp3lame", "-content_type", "audio/mpeg", "-f", "mp3", source),
        ]
        for hz in _HZ
    ]
    with _running("icecast2", "-c", str(configuration)):
        time.sleep(1)
        with _ingesting(server, f"http://127.0.0.1:{port}/net.mp3") as session:
            return _cut(play, server, session)


def _cut(play: Sequence[Sequence[str]], server: ChildServer, session: Callable[[], str]) -> str:
    """Let each command play for a while; return the session they spoke into."""
    with _running(*play[0]):
        found = session()
        time.sleep(_PLAY_S)
    for command in play[1:]:
        with _running(*command):
            _wait(lambda: bool(_gaps(server, found)))
            time.sleep(_PLAY_S)
    return found


def _reachable() -> str:
    """An address of this machine that libnice sends to: it uses no loopback."""
    found = (ipaddress.ip_address(address) for address in own_addresses())
    for address in found:
        if address.version == 4 and not address.is_loopback and not address.is_link_local:
            return str(address)
    return "127.0.0.1"


def _whip(server: ChildServer) -> str:
    url = server.url.replace("ws:", "http:") + "/v1/whip?minutes=false"
    script = str(_GSTREAMER / "whip_publisher.py")
    done = subprocess.run(
        [_PYTHON, script, url, str(_HZ[0]), str(round(_PLAY_S))],
        capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    for line in done.stdout.splitlines():
        if line.startswith(("answered", "state", "deleted", "a=rtpmap", "a=rtcp-fb")):
            print("   ", line)
    answered = [line for line in done.stdout.splitlines() if line.startswith("answered 201")]
    if not answered:
        raise RuntimeError(done.stderr[-500:])
    return answered[0].split()[2]


SENDERS: Final[dict[str, tuple[str, Callable[[ChildServer, Path], str]]]] = {
    "rtsp-opus": ("python3-gi gir1.2-gst-rtsp-server-1.0 gstreamer1.0-plugins-{base,good}",
                  lambda server, _: _rtsp(server, "opus")),
    "rtsp-pcma": ("python3-gi gir1.2-gst-rtsp-server-1.0 gstreamer1.0-plugins-good",
                  lambda server, _: _rtsp(server, "pcma")),
    "icecast": ("icecast2 ffmpeg", _icecast),
    "whip-gstreamer": ("python3-gi gir1.2-gst-plugins-bad-1.0 gstreamer1.0-{nice,plugins-bad}",
                       lambda server, _: _whip(server)),
}  # fmt: skip
"""Debian packages of each, and how it is played."""


def _json(server: ChildServer, path: str) -> Any:
    with urlopen(server.url.replace("ws:", "http:") + path, timeout=30) as answer:  # noqa: S310
        return json.load(answer)


def _events(server: ChildServer, session: str) -> list[dict[str, Any]]:
    address = server.url.replace("ws:", "http:") + f"/v1/sessions/{session}/events"
    with urlopen(address, timeout=30) as answer:  # noqa: S310
        return [json.loads(line)["event"] for line in answer]


def _gaps(server: ChildServer, session: str) -> list[tuple[int, int, str]]:
    found = [event for event in _events(server, session) if event["type"] == "GapFound"]
    return [(event["from_ms"], event["to_ms"], event["cause"]) for event in found]


def _wait(condition: Callable[[], bool], *, timeout_s: float = 30) -> None:
    deadline = time.monotonic() + timeout_s
    while not condition():
        if time.monotonic() > deadline:
            raise TimeoutError("nothing came")
        time.sleep(0.2)


def _heard(sender: str, server: ChildServer, session: str) -> Heard:
    _wait(lambda: _json(server, f"/v1/sessions/{session}")["state"] == "finished")
    duration_ms = int(_json(server, f"/v1/sessions/{session}")["duration_ms"])
    gaps = [gap for gap in _gaps(server, session) if gap[2] != "packet_loss"]
    stretches = [(0, duration_ms)]
    if gaps:
        stretches = [(0, gaps[0][0]), (gaps[-1][1], duration_ms)]
    pitches = tuple(_pitch(server, session, *stretch) for stretch in stretches)
    return Heard(sender, pitches, tuple(gaps), duration_ms)


def _pitch(server: ChildServer, session: str, from_ms: int, to_ms: int) -> float:
    """Loudest frequency of a second in the middle of a stretch."""
    middle = (from_ms + to_ms) // 2
    query = f"from_ms={max(0, middle - 500)}&to_ms={middle + 500}"
    address = server.url.replace("ws:", "http:") + f"/v1/sessions/{session}/audio?{query}"
    with urlopen(address, timeout=30) as answer, wave.open(io.BytesIO(answer.read())) as wav:  # noqa: S310
        rate, channels = wav.getframerate(), wav.getnchannels()
        samples = np.frombuffer(wav.readframes(wav.getnframes()), "<i2").reshape(-1, channels)[:, 0]
    spectrum = np.abs(np.fft.rfft(samples * np.hanning(len(samples))))
    return float(np.argmax(spectrum)) * rate / len(samples)


def main() -> int:
    """Run the senders; return 1 when one was not heard."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("senders", nargs="*", default=list(SENDERS), help=f"of {list(SENDERS)}")
    parser.add_argument("--write", action="store_true", help="keep the result")
    parser.add_argument("--machine", help="name of the result's folder, instead of the processor's")
    arguments = parser.parse_args()
    settings = {
        "GREFFIER_RECOGNITION__ENGINE": "fake",
        "GREFFIER_LANGUAGE_MODEL__ENGINE": "none",
        "GREFFIER_WEBRTC__ADDRESSES": json.dumps([_reachable()]),
    }
    found: list[Heard] = []
    failed: dict[str, str] = {}
    with (
        tempfile.TemporaryDirectory() as folder,
        ChildServer(data_dir=Path(folder) / "server", settings=settings) as server,
    ):
        for name in arguments.senders:
            packages, play = SENDERS[name]
            own = Path(folder) / name
            own.mkdir()
            try:
                heard = _heard(name, server, play(server, own))
            except (OSError, RuntimeError, TimeoutError, subprocess.TimeoutExpired) as error:
                failed[name] = f"{type(error).__name__}: {error} (needs {packages})"
                print(name, "FAILED", failed[name], flush=True)
                continue
            found.append(heard)
            print("heard" if heard.good else "WRONG", heard, flush=True)
    if arguments.write:
        result = {
            "senders": [{**asdict(each), "good": each.good} for each in found],
            "failed": failed,
        }
        print(write_result(result_folder(arguments.machine), "radio-sources", result))
    return 1 if failed or not all(each.good for each in found) else 0


if __name__ == "__main__":
    sys.exit(main())
