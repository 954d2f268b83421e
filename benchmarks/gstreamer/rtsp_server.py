"""A real RTSP server (gst-rtsp-server) that plays a tone: ``rtsp_server.py PORT HZ CODEC``."""

import importlib
import sys
from typing import Any

ENCODERS = {
    "opus": "audio/x-raw,channels=2 ! opusenc ! rtpopuspay name=pay0 pt=96",
    "pcma": "audio/x-raw,rate=8000,channels=1 ! alawenc ! rtppcmapay name=pay0 pt=8",
    "aac": "audio/x-raw,channels=1 ! avenc_aac ! rtpmp4gpay name=pay0 pt=97",
}


def main() -> None:
    """Serve ``/audio`` until killed."""
    port, hz, codec = sys.argv[1:4]
    gi: Any = importlib.import_module("gi")
    gi.require_version("Gst", "1.0")
    gi.require_version("GstRtspServer", "1.0")
    gst: Any = importlib.import_module("gi.repository.Gst")
    rtsp: Any = importlib.import_module("gi.repository.GstRtspServer")
    glib: Any = importlib.import_module("gi.repository.GLib")
    gst.init(None)
    server = rtsp.RTSPServer.new()
    server.set_address("127.0.0.1")
    server.set_service(port)
    factory = rtsp.RTSPMediaFactory.new()
    factory.set_launch(
        f"( audiotestsrc is-live=true freq={hz} ! audioconvert ! audioresample ! "
        f"{ENCODERS[codec]} )"
    )
    server.get_mount_points().add_factory("/audio", factory)
    server.attach(None)
    glib.MainLoop().run()


if __name__ == "__main__":
    main()
