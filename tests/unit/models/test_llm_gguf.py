from pathlib import Path

import gguf
import pytest

from greffier_models.errors import WeightsCorrupt, WeightsMissing
from greffier_models.llm.gguf import read_gguf_header

pytestmark = pytest.mark.unit


@pytest.fixture
def model(tmp_path: Path) -> Path:
    path = tmp_path / "model.gguf"
    writer = gguf.GGUFWriter(path, "mistral")
    writer.add_name("Petit modèle")
    writer.add_context_length(4096)
    writer.add_layer_norm_rms_eps(1e-5)
    writer.add_add_bos_token(True)
    writer.add_token_list(["<unk>", "[INST]", "é", "<tool>", " "])
    control, user, plain = (
        gguf.TokenType.CONTROL,
        gguf.TokenType.USER_DEFINED,
        gguf.TokenType.NORMAL,
    )
    writer.add_token_types([gguf.TokenType.UNKNOWN, control, plain, user, user])
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return path


def test_a_header_is_read(model: Path):
    header = read_gguf_header(model)
    assert (header.architecture, header.name) == ("mistral", "Petit modèle")
    assert header.context_tokens == 4096
    assert header.special_texts == {"[INST]", "<tool>"}


def test_a_header_that_is_cut_off_anywhere_is_an_error(model: Path, tmp_path: Path):
    whole = model.read_bytes()
    for length in range(4, len(whole) - 64):
        (tmp_path / "cut.gguf").write_bytes(whole[:length])
        with pytest.raises(WeightsCorrupt):
            read_gguf_header(tmp_path / "cut.gguf")


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"PK\x03\x04",
        b"GGUF" + b"\x01\0\0\0" + b"\0" * 16,  # version 1
        b"GGUF" + b"\x03\0\0\0" + b"\0" * 8 + b"\xff" * 8,  # endless fields
        b"GGUF\x03\0\0\0" + b"\0" * 8 + b"\x01" + b"\0" * 7 + b"\x01" + b"\0" * 7 + b"k\xff\0\0\0",
    ],
)
def test_what_is_no_gguf_is_an_error(tmp_path: Path, content: bytes):
    path = tmp_path / "other.gguf"
    path.write_bytes(content)
    with pytest.raises(WeightsCorrupt):
        read_gguf_header(path)


def test_a_missing_file_and_a_folder_are_errors(tmp_path: Path):
    for path in (tmp_path / "absent.gguf", tmp_path):
        with pytest.raises(WeightsMissing) as caught:
            read_gguf_header(path)
        assert str(tmp_path.parent) not in caught.value.message
