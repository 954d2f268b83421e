"""Voices as vectors: the speaker-embedding model, run by onnxruntime from the weights alone."""

from greffier_models.speakers.campplus import CampPlusEmbedder, load_campplus

__all__ = ["CampPlusEmbedder", "load_campplus"]
