"""The protocol of vosk-server: one reply for each frame of audio."""
