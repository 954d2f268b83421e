"""Manifests, scenes and filters."""

import json
from pathlib import Path

import numpy as np
import pytest
import soundfile

from benchmarks.corpora import Recording, load_manifest, load_scenes, read_pcm, select

pytestmark = pytest.mark.unit

LINE = {"id": "a/1", "path": "a/1.flac", "lang": "fr", "duration_s": 1.5, "text": "oui"}


def test_a_manifest_gives_recordings_beside_it(tmp_path: Path) -> None:
    manifest = tmp_path / "manifest.jsonl"
    lines = [{**LINE, "set": "a", "translation": {"en": "yes"}}, {**LINE, "lang": "mul"}]
    manifest.write_text("\n\n".join(json.dumps(line) for line in lines), encoding="utf-8")
    first, second = load_manifest(manifest)
    assert first == Recording(
        "a/1", tmp_path / "a/1.flac", "fr", 1500, "oui", set="a", translations={"en": "yes"}
    )
    assert second.language == "auto"


@pytest.mark.parametrize(
    "line", ["{", "[]", "{}", '{"id": "a"}', json.dumps({**LINE, "duration_s": "x"})]
)
def test_a_bad_line_is_named_by_its_number(tmp_path: Path, line: str) -> None:
    manifest = tmp_path / "manifest.jsonl"
    manifest.write_text(f"{json.dumps(LINE)}\n{line}\n", encoding="utf-8")
    with pytest.raises(ValueError, match=r"manifest\.jsonl:2"):
        load_manifest(manifest)


def test_the_scenes_need_no_manifest() -> None:
    scenes = {scene.id: scene for scene in load_scenes()}
    assert scenes["radio-fr"].language == "fr"
    assert scenes["meeting-bilingual"].language == "auto"
    assert all(scene.path.exists() and scene.text for scene in scenes.values())


def test_filters_combine() -> None:
    recordings = [
        Recording("a", Path("a"), "fr", 1_000, "x", set="one"),
        Recording("b", Path("b"), "en", 2_000, "x", set="one"),
        Recording("c", Path("c"), "fr", 3_000, "x", set="two"),
    ]
    assert [r.id for r in select(recordings, languages=["fr"], min_ms=2_000)] == ["c"]
    assert [r.id for r in select(recordings, sets=["one"], max_ms=1_000)] == ["a"]
    assert [r.id for r in select(recordings, ids=["b", "c"])] == ["b", "c"]


def test_samples_are_read_as_they_are(tmp_path: Path) -> None:
    path = tmp_path / "a.flac"
    samples = np.array([0, 1, -1, 32_767, -32_768], dtype=np.int16)
    soundfile.write(path, samples, 16_000, subtype="PCM_16")
    assert read_pcm(path) == samples.astype("<i2").tobytes()


def test_another_rate_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.flac"
    soundfile.write(path, np.zeros(10, dtype=np.int16), 8_000)
    with pytest.raises(ValueError, match="16000 Hz mono"):
        read_pcm(path)
