"""WhisperLive's protocol: a session as its clients speak and read it."""
