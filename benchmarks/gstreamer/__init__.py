"""Programs of GStreamer, run by the system's Python, which has its bindings (``python3-gi``)."""
