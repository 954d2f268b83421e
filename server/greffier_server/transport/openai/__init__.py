"""OpenAI's interfaces for speech: whole recordings over HTTP, live audio over a WebSocket."""
