"""Which models a machine should have when nobody has chosen."""

import shutil
from pathlib import Path

__all__ = ["default_models", "has_gpu"]


def has_gpu() -> bool:
    """Whether an NVIDIA GPU and its driver are here (CTranslate2 and the wheels use CUDA)."""
    return Path("/proc/driver/nvidia/version").exists() or shutil.which("nvidia-smi") is not None


def default_models(*, gpu: bool) -> tuple[str, str]:
    """Return the catalogue names of the recogniser and of the language model."""
    if gpu:
        return "whisper-large-v3-turbo", "ministral-3-8b-instruct-q4_k_m"
    return "whisper-base", "qwen2.5-coder-1.5b-instruct-q4_k_m"
