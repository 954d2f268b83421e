"""A real webrtcbin that publishes by WHIP: ``whip_publisher.py URL HZ|FILE.wav SECONDS``.

libnice sends nothing to loopback: the server must listen for sound on another of its addresses. It
prints the offer, the answer's status and the states of its connection, and deletes its
publication at the end, as whipclientsink does.
"""

import importlib
import sys
import urllib.parse
import urllib.request
from typing import Any


class Publisher:
    """One pipeline and its publication."""

    def __init__(self, url: str, sound: str, seconds: int) -> None:
        gi: Any = importlib.import_module("gi")
        for name in ("Gst", "GstWebRTC", "GstSdp"):
            gi.require_version(name, "1.0")
        self.gst: Any = importlib.import_module("gi.repository.Gst")
        self.webrtc: Any = importlib.import_module("gi.repository.GstWebRTC")
        self.sdp: Any = importlib.import_module("gi.repository.GstSdp")
        self.glib: Any = importlib.import_module("gi.repository.GLib")
        self.gst.init(None)
        self.url = url
        self.location = ""
        self.promise: Any = None
        self.seconds = seconds
        self.loop = self.glib.MainLoop()
        source = f"audiotestsrc is-live=true freq={sound}"
        if sound.endswith(".wav"):
            source = f'filesrc location="{sound}" ! wavparse ! identity sync=true'
        self.pipeline = self.gst.parse_launch(
            f"webrtcbin name=out bundle-policy=max-bundle {source} ! "
            "audioconvert ! audioresample ! opusenc ! rtpopuspay pt=97 ! "
            "application/x-rtp,media=audio,encoding-name=OPUS,payload=97 ! out."
        )
        self.out = self.pipeline.get_by_name("out")
        self.out.connect("on-negotiation-needed", self.offer)
        self.out.connect("notify::ice-gathering-state", self.gathered)
        self.out.connect("notify::connection-state", self.changed)

    def run(self) -> None:
        """Play until the time is up, and delete the publication."""
        self.pipeline.set_state(self.gst.State.PLAYING)
        self.loop.run()
        self.pipeline.set_state(self.gst.State.NULL)
        if self.location:
            request = urllib.request.Request(self.location, method="DELETE")  # noqa: S310
            with urllib.request.urlopen(request, timeout=30) as answer:  # noqa: S310
                print("deleted", answer.status, flush=True)

    def offer(self, out: Any) -> None:
        """Make the offer."""
        kind = self.webrtc.WebRTCRTPTransceiverDirection.SENDONLY
        out.emit("get-transceiver", 0).set_property("direction", kind)
        out.emit("get-transceiver", 0).set_property("do-nack", True)

        def made(promise: Any) -> None:
            self.promise = promise  # what it replied is freed with it
            reply = promise.get_reply()
            offer = reply.get_value("offer")
            out.emit("set-local-description", offer, self.gst.Promise.new())

        out.emit("create-offer", None, self.gst.Promise.new_with_change_func(made))

    def gathered(self, out: Any, _: Any) -> None:
        """Send the offer when it is whole; take the answer."""
        if out.get_property("ice-gathering-state") != self.webrtc.WebRTCICEGatheringState.COMPLETE:
            return
        text = out.get_property("local-description").sdp.as_text()
        print(text, flush=True)
        request = urllib.request.Request(  # noqa: S310
            self.url, text.encode(), {"Content-Type": "application/sdp"}, method="POST"
        )
        with urllib.request.urlopen(request, timeout=30) as answer:  # noqa: S310
            print("answered", answer.status, answer.headers["Greffier-Session"], flush=True)
            self.location = urllib.parse.urljoin(self.url, answer.headers["Location"])
            message = self.sdp.SDPMessage.new_from_text(answer.read().decode())[1]
        kind = self.webrtc.WebRTCSDPType.ANSWER
        description = self.webrtc.WebRTCSessionDescription.new(kind, message)
        out.emit("set-remote-description", description, self.gst.Promise.new())

    def changed(self, out: Any, _: Any) -> None:
        """Tell the state; end with the connection."""
        state = out.get_property("connection-state").value_nick
        print("state", state, flush=True)
        if state == "connected":
            self.glib.timeout_add_seconds(self.seconds, self.loop.quit)
        elif state in ("failed", "closed"):
            self.loop.quit()


if __name__ == "__main__":
    Publisher(sys.argv[1], sys.argv[2], int(sys.argv[3])).run()
