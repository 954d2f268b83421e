"""Mistral's realtime transcription, as its hosted service speaks it and as vLLM does."""
