"""Real weights for tests marked `models`: installed on first use, found at once afterwards.

The models directory is ``GREFFIER_MODELS_DIR`` or the user's own; nothing is downloaded if the
model is there already.
"""

from pathlib import Path

from greffier_models.catalog import pull
from greffier_models.speakers import CampPlusEmbedder, load_campplus

__all__ = ["llm_path", "voices", "whisper_base_path", "whisper_tiny_path"]


def whisper_base_path() -> Path:
    """Return the folder of Whisper base (multilingual, CTranslate2)."""
    return pull("whisper-base").path


def whisper_tiny_path() -> Path:
    """Return the folder of Whisper tiny.en (CTranslate2)."""
    return pull("whisper-tiny.en").path


def llm_path() -> Path:
    """Return the GGUF file of a small instruct language model."""
    return pull("qwen2.5-coder-1.5b-instruct-q4_k_m").path


def voices() -> CampPlusEmbedder:
    """Return the model that tells voices apart."""
    found = pull("campplus-zh-en")
    return load_campplus(found.path, name=found.name, digest=found.digest)
