"""Tiny models with random weights and the real thing's shape: what they prove is the plumbing."""

import base64
import json
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

__all__ = ["MISTRAL_CONTEXT_TOKENS", "ToyMistral", "toy_mistral_gguf", "toy_whisper_turbo"]

MISTRAL_CONTEXT_TOKENS = 4096

_WIDTH, _HEADS, _KV_HEADS, _FEED_FORWARD, _LAYERS = 64, 4, 2, 128, 2


@dataclass(frozen=True)
class ToyMistral:
    """A model file and the tokeniser that Mistral publishes for it."""

    gguf: Path
    tokenizer: Path
    """Tekken JSON, readable by `mistral_common`."""


def toy_mistral_gguf(folder: Path, *, vocabulary_size: int = 131_072, seed: int = 0) -> ToyMistral:
    """Write a Mistral of two thin layers: GGUF architecture ``llama``, Tekken, Mistral's template.

    Vocabulary, merges and special tokens are those of ``tekken_240911.json`` in `mistral_common`,
    the chat format is version 7 (system prompts between tokens of their own), and the template is
    the one `mistral_common` writes for that version.

    Args:
        folder: where to write it; must exist.
        vocabulary_size: Mistral's own, or less (at least 1256) for a model that is built faster and
            tokenises otherwise.
        seed: of the weights.
    """
    import gguf
    from mistral_common.integrations.chat_templates.chat_templates import (
        convert_tokenizer_to_chat_template,
    )

    tokenizer = _tekken_v7(folder, vocabulary_size)
    words, kinds, merges = _vocabulary(tokenizer)
    path = folder / "toy-mistral.gguf"
    writer = gguf.GGUFWriter(path, "llama")
    writer.add_name("Toy Mistral")
    writer.add_context_length(MISTRAL_CONTEXT_TOKENS)
    writer.add_embedding_length(_WIDTH)
    writer.add_block_count(_LAYERS)
    writer.add_feed_forward_length(_FEED_FORWARD)
    writer.add_head_count(_HEADS)
    writer.add_head_count_kv(_KV_HEADS)
    writer.add_rope_dimension_count(_WIDTH // _HEADS)
    writer.add_rope_freq_base(1e6)
    writer.add_layer_norm_rms_eps(1e-5)
    writer.add_vocab_size(len(words))
    writer.add_file_type(gguf.LlamaFileType.MOSTLY_F16)
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre("tekken")
    writer.add_token_list(words)
    writer.add_token_types(kinds)
    writer.add_token_merges(merges)
    writer.add_unk_token_id(0)
    writer.add_bos_token_id(1)
    writer.add_eos_token_id(2)
    writer.add_add_bos_token(True)
    writer.add_add_eos_token(False)
    writer.add_chat_template(convert_tokenizer_to_chat_template(tokenizer))
    for name, shape in _mistral_shapes(len(words)).items():
        writer.add_tensor(name, _weights(name, shape, seed))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return ToyMistral(path, tokenizer)


def _mistral_shapes(vocabulary: int) -> dict[str, tuple[int, ...]]:
    key_width = _WIDTH // _HEADS * _KV_HEADS
    shapes: dict[str, tuple[int, ...]] = {
        "token_embd.weight": (vocabulary, _WIDTH),
        "output_norm.weight": (_WIDTH,),
        "output.weight": (vocabulary, _WIDTH),
    }
    for layer in range(_LAYERS):
        shapes |= {
            f"blk.{layer}.attn_norm.weight": (_WIDTH,),
            f"blk.{layer}.attn_q.weight": (_WIDTH, _WIDTH),
            f"blk.{layer}.attn_k.weight": (key_width, _WIDTH),
            f"blk.{layer}.attn_v.weight": (key_width, _WIDTH),
            f"blk.{layer}.attn_output.weight": (_WIDTH, _WIDTH),
            f"blk.{layer}.ffn_norm.weight": (_WIDTH,),
            f"blk.{layer}.ffn_gate.weight": (_FEED_FORWARD, _WIDTH),
            f"blk.{layer}.ffn_up.weight": (_FEED_FORWARD, _WIDTH),
            f"blk.{layer}.ffn_down.weight": (_WIDTH, _FEED_FORWARD),
        }
    return shapes


def _weights(name: str, shape: tuple[int, ...], seed: int) -> "np.ndarray[Any, Any]":
    if "norm" in name:
        return np.ones(shape, np.float32)
    generator = np.random.default_rng([seed, *name.encode()])
    return (generator.standard_normal(shape, np.float32) / np.sqrt(shape[-1])).astype(np.float16)


def _tekken_v7(folder: Path, vocabulary_size: int) -> Path:
    """Write Mistral's Tekken of September 2024 with the special tokens and version of format 7."""
    import mistral_common
    from mistral_common.tokens.tokenizers.tekken import Tekkenizer

    source = Path(mistral_common.__file__).parent / "data" / "tekken_240911.json"
    content = json.loads(source.read_text())
    content["config"]["version"] = "v7"
    content["config"]["default_vocab_size"] = vocabulary_size
    content.pop("image", None)
    content["special_tokens"] = list(Tekkenizer.DEPRECATED_SPECIAL_TOKENS)
    path = folder / "tekken.json"
    path.write_text(json.dumps(content))
    return path


def _vocabulary(tokenizer: Path) -> tuple[list[str], list[int], list[str]]:
    """Return GGUF's token texts, token types and merges for a Tekken file.

    The order is Mistral's: special tokens first, then the byte sequences by rank.
    """
    import gguf

    content = json.loads(tokenizer.read_text())
    config = content["config"]
    special_count = int(config["default_num_special_tokens"])
    plain_count = int(config["default_vocab_size"]) - special_count
    words = [f"<SPECIAL_{rank}>" for rank in range(special_count)]
    for entry in content["special_tokens"]:
        words[entry["rank"]] = entry["token_str"]
    kinds = [int(gguf.TokenType.CONTROL)] * special_count
    ranks = {
        base64.b64decode(entry["token_bytes"]): rank
        for rank, entry in enumerate(content["vocab"][:plain_count])
    }
    written = _byte_letters()
    words += ["".join(written[byte] for byte in token) for token in ranks]
    kinds += [int(gguf.TokenType.NORMAL)] * plain_count
    merges: list[str] = []
    for token, rank in ranks.items():
        if len(token) > 1:
            parts = _parts(token, ranks, rank)
            merges.append(" ".join("".join(written[byte] for byte in part) for part in parts))
    return words, kinds, merges


def _parts(token: bytes, ranks: dict[bytes, int], limit: int) -> list[bytes]:
    """Return the two pieces whose merge makes `token`, by merging as far as lower ranks go."""
    parts = [bytes([byte]) for byte in token]
    while len(parts) > 2:
        pairs = [parts[i] + parts[i + 1] for i in range(len(parts) - 1)]
        best = min(range(len(pairs)), key=lambda i: ranks.get(pairs[i], limit))
        assert ranks.get(pairs[best], limit) < limit
        parts[best : best + 2] = [pairs[best]]
    return parts


def _byte_letters() -> dict[int, str]:
    """GPT-2's printable letter for each byte."""
    plain = [*range(33, 127), *range(161, 173), *range(174, 256)]
    others = (byte for byte in range(256) if byte not in plain)
    return {byte: chr(byte) for byte in plain} | {
        byte: chr(256 + place) for place, byte in enumerate(others)
    }


_WHISPER_WIDTH, _WHISPER_HEADS, _WHISPER_ENCODER, _WHISPER_DECODER = 64, 4, 2, 4
_WHISPER_MELS, _WHISPER_FRAMES, _WHISPER_POSITIONS = 128, 1500, 448
_WHISPER_TEXT_TOKENS = 50257
_WHISPER_LANGUAGES = tuple(
    re.findall(
        "[a-z]+",
        """
        en zh de es ru ko fr ja pt tr pl ca nl ar sv it id hi fi vi he uk el ms cs ro da hu ta no
        th ur hr bg lt la mi ml cy sk te fa lv bn sr az sl kn et mk br eu is hy ne mn bs kk sq sw
        gl mr pa si km sn yo so af oc ka be tg sd gu am yi lo uz fo ht ps tk nn mt sa lb my bo tl
        mg as tt haw ln ha ba jw su yue
        """,
    )
)


def toy_whisper_turbo(folder: Path, *, seed: int = 0) -> Path:
    """Write a Whisper of large-v3-turbo's shape (128 mel bins, 51866 tokens, 4 decoder layers).

    The special tokens have their names and ids (openai-whisper, ``tokenizer.py``); of the text
    tokens only the 256 single bytes and the empty one have theirs. Loads as a
    `faster_whisper.WhisperModel`.
    """
    import ctranslate2

    folder.mkdir(parents=True, exist_ok=True)
    spec = ctranslate2.specs.WhisperSpec(
        _WHISPER_ENCODER, _WHISPER_HEADS, _WHISPER_DECODER, _WHISPER_HEADS
    )
    fill = _WhisperFiller(seed)
    fill.encoder(spec.encoder)
    fill.decoder(spec.decoder)
    tokens = _whisper_tokens()
    spec.register_vocabulary(tokens)
    first_language = tokens.index("<|en|>")
    spec.config.suppress_ids = [50258, 50359, 50360, 50361, 50362, 50363]
    spec.config.suppress_ids_begin = [220, _WHISPER_TEXT_TOKENS]
    spec.config.lang_ids = list(range(first_language, first_language + len(_WHISPER_LANGUAGES)))
    spec.config.alignment_heads = [(2, 0), (2, 3), (3, 1), (3, 2)]
    spec.validate()
    spec.optimize(quantization=None)
    spec.save(str(folder))
    _write_whisper_tokenizer(folder, tokens)
    extractor = {"feature_size": _WHISPER_MELS, "sampling_rate": 16000, "hop_length": 160}
    (folder / "preprocessor_config.json").write_text(
        json.dumps(extractor | {"chunk_length": 30, "n_fft": 400})
    )
    return folder


def _whisper_tokens() -> list[str]:
    bytes_first = list(_byte_letters().values())
    text = bytes_first + [f"word{number}" for number in range(256, _WHISPER_TEXT_TOKENS - 1)]
    text.append("")  # as in Whisper's own; CTranslate2 takes a model without it for English-only
    special = ["<|endoftext|>", "<|startoftranscript|>"]
    special += [f"<|{language}|>" for language in _WHISPER_LANGUAGES]
    special += ["<|translate|>", "<|transcribe|>", "<|startoflm|>", "<|startofprev|>"]
    special += ["<|nospeech|>", "<|notimestamps|>"]
    special += [f"<|{number * 0.02:.2f}|>" for number in range(1501)]
    return text + special


def _write_whisper_tokenizer(folder: Path, tokens: list[str]) -> None:
    from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers

    ids = {token: number for number, token in enumerate(tokens[:_WHISPER_TEXT_TOKENS])}
    tokenizer = Tokenizer(models.BPE(vocab=ids, merges=[]))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    special = tokens[_WHISPER_TEXT_TOKENS:]
    tokenizer.add_special_tokens(  # pyright: ignore[reportUnknownMemberType]
        [AddedToken(token, special=True) for token in special]
    )
    tokenizer.save(str(folder / "tokenizer.json"))


class _WhisperFiller:
    """Gives every variable of a specification its shape and random values."""

    def __init__(self, seed: int) -> None:
        self._generator = np.random.default_rng(seed)

    def encoder(self, spec: Any) -> None:
        width = _WHISPER_WIDTH
        spec.conv1.weight, spec.conv1.bias = self._random(width, _WHISPER_MELS, 3), _zeros(width)
        spec.conv2.weight, spec.conv2.bias = self._random(width, width, 3), _zeros(width)
        spec.position_encodings.encodings = self._random(_WHISPER_FRAMES, width)
        _norm(spec.layer_norm)
        for layer in spec.layer:
            self._attention(layer.self_attention, outputs=(3, 1))
            self._feed_forward(layer.ffn)

    def decoder(self, spec: Any) -> None:
        width, vocabulary = _WHISPER_WIDTH, _WHISPER_TEXT_TOKENS + 1609
        spec.embeddings.weight = self._random(vocabulary, width)
        spec.position_encodings.encodings = self._random(_WHISPER_POSITIONS, width)
        spec.projection.weight = spec.embeddings.weight
        _norm(spec.layer_norm)
        for layer in spec.layer:
            self._attention(layer.self_attention, outputs=(3, 1))
            self._attention(layer.attention, outputs=(1, 2, 1))
            self._feed_forward(layer.ffn)

    def _attention(self, spec: Any, *, outputs: tuple[int, ...]) -> None:
        _norm(spec.layer_norm)
        for linear, count in zip(spec.linear, outputs, strict=True):
            self._linear(linear, count * _WHISPER_WIDTH, _WHISPER_WIDTH)

    def _feed_forward(self, spec: Any) -> None:
        _norm(spec.layer_norm)
        self._linear(spec.linear_0, 4 * _WHISPER_WIDTH, _WHISPER_WIDTH)
        self._linear(spec.linear_1, _WHISPER_WIDTH, 4 * _WHISPER_WIDTH)

    def _linear(self, spec: Any, outputs: int, inputs: int) -> None:
        spec.weight, spec.bias = self._random(outputs, inputs), _zeros(outputs)

    def _random(self, *shape: int) -> "np.ndarray[Any, Any]":
        return self._generator.standard_normal(shape, np.float32) / np.float32(np.sqrt(shape[-1]))


def _zeros(width: int) -> "np.ndarray[Any, Any]":
    return np.zeros(width, np.float32)


def _norm(spec: Any) -> None:
    spec.gamma, spec.beta = np.ones(_WHISPER_WIDTH, np.float32), _zeros(_WHISPER_WIDTH)
