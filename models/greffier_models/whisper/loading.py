"""Opens a Whisper model of CTranslate2 on one device, with workers and threads to fit it."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from greffier_models.cores import usable_cores
from greffier_models.errors import WeightsCorrupt, WeightsMissing
from greffier_models.types import EngineIdentity
from greffier_models.whisper.mel import Features, choose_features
from greffier_models.whisper.packages import ctranslate2

__all__ = ["OpenedModel", "open_model"]


@dataclass(frozen=True, slots=True)
class OpenedModel:
    """A model in memory and how it is run."""

    wrapped: Any
    """faster-whisper's."""
    identity: EngineIdentity
    features: Features
    workers: int
    threads: int
    """Of each worker."""
    gpu: bool


def open_model(
    path: Path,
    *,
    name: str,
    digest: str,
    device: str,
    compute_type: str,
    workers: int,
    threads: int,
    device_index: int,
) -> OpenedModel:
    """Open the model in directory `path`; arguments are those of `load_whisper` (blocking).

    Raises:
        WeightsMissing: no model there.
        WeightsCorrupt: the files cannot be loaded.
    """
    if not (path / "model.bin").is_file():
        raise WeightsMissing(
            f"There is no Whisper model at {path.name!r}. Fetch one: greffier models pull"
        )
    from faster_whisper import WhisperModel

    package = ctranslate2()
    if device == "auto":
        device = "cuda" if package.get_cuda_device_count() > 0 else "cpu"
    gpu = device == "cuda"
    workers, threads = _parallelism(workers, threads, gpu=gpu)
    try:
        model = WhisperModel(
            str(path),
            device=device,
            device_index=device_index,
            compute_type=compute_type,
            cpu_threads=threads,
            num_workers=workers,
            local_files_only=True,
        )
    except (RuntimeError, ValueError, OSError) as error:
        raise WeightsCorrupt(
            f"The Whisper model {path.name!r} cannot be loaded. "
            "Check it: greffier models verify; fetch it again: greffier models pull"
        ) from error
    identity = EngineIdentity(
        engine=f"whisper-ct2/{package.__version__}",
        model=name or path.name,
        digest=digest,
        settings=f"{compute_type},{device}",
    )
    on = f"cuda:{device_index}" if gpu else device
    return OpenedModel(
        model,
        identity,
        features=choose_features(model.feature_extractor, device=on),
        workers=workers,
        threads=threads,
        gpu=gpu,
    )


def _parallelism(workers: int, threads: int, *, gpu: bool) -> tuple[int, int]:
    cores = usable_cores()
    if gpu:
        return workers or 1, threads or cores
    workers = workers or max(1, cores // (threads or 1))
    return workers, threads or max(1, cores // workers)
