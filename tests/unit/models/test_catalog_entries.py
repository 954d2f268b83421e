import re
from collections import Counter
from pathlib import Path

import pytest

from greffier_models.catalog import CATALOG, Entry, default_models
from greffier_models.catalog.entry import Hub, PythonIndex
from greffier_models.catalog.manifest import safe_name

pytestmark = pytest.mark.unit

ENTRIES = pytest.mark.parametrize("entry", CATALOG.values(), ids=lambda entry: entry.name)


@ENTRIES
def test_names_and_checksums_are_well_formed(entry: Entry) -> None:
    assert safe_name(entry.name)
    names = [file.name for file in entry.files]
    assert len(set(names)) == len(names)
    for file in entry.files:
        assert safe_name(file.name)
        assert re.fullmatch("[0-9a-f]{64}", file.sha256)
        assert file.size > 0
    assert len(set(entry.languages)) == len(entry.languages)
    assert bool(entry.languages) == (entry.task != "voices")  # a voice has no language


@ENTRIES
def test_the_main_file_is_what_the_engine_opens(entry: Entry) -> None:
    if entry.engine == "gguf":
        assert [file.name.endswith(".gguf") for file in entry.files] == [True]
    elif entry.engine == "campplus":
        assert [file.name.endswith(".pt") for file in entry.files] == [True]
    else:
        assert entry.main.name == "model.bin"
        assert {"config.json", "tokenizer.json"} <= {file.name for file in entry.files}


@ENTRIES
def test_every_source_delivers_every_file_whole(entry: Entry) -> None:
    assert entry.sources
    sizes = {file.name: file.size for file in entry.files}
    for source in entry.sources:
        if isinstance(source, PythonIndex):
            carried: Counter[str] = Counter()
            for package in source.packages:
                assert package.members
                for member in package.members:
                    carried[member.file] += member.size
            assert dict(carried) == sizes
        elif isinstance(source, Hub):
            # A commit: a branch would let the contents change under the checksum.
            assert re.fullmatch("[0-9a-f]{40}", source.revision)
            assert set(source.paths) <= set(sizes)


def test_contents_tell_entries_apart() -> None:
    assert len({entry.fingerprint for entry in CATALOG.values()}) == len(CATALOG)


def test_the_defaults_of_both_machines_hear_and_write() -> None:
    for gpu in (False, True):
        assert [CATALOG[name].task for name in default_models(gpu=gpu)] == ["speech", "text"]


def test_the_defaults_without_gpu_need_no_hub_and_are_verified() -> None:
    for name in default_models(gpu=False):
        assert CATALOG[name].verified
        assert any(isinstance(source, PythonIndex) for source in CATALOG[name].sources)


@ENTRIES
def test_the_reference_page_says_the_same(entry: Entry) -> None:
    page = Path(__file__).parents[3] / "docs" / "reference" / "models.md"
    rows = [line for line in page.read_text().splitlines() if line.startswith(f"| `{entry.name}`")]
    assert len(rows) == 1
    cells = [cell.strip() for cell in rows[0].strip("|").split("|")]
    size = f"{entry.size / 1e6:,.0f} MB"
    assert cells[1:5] == [entry.task, size, entry.licence, "yes" if entry.verified else "no"]
