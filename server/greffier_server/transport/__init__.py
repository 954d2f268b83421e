"""Ways in and out: HTTP, WebSocket."""
