"""Engines (voice activity, Whisper, language models) behind three ports, and their weights."""
