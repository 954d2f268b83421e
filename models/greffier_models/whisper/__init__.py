"""Whisper on CTranslate2: batched decoding with per-stream context, and word times by alignment."""
