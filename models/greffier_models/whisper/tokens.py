"""Whisper's tokens: text to numbers and back, prompts, what is never said."""

from typing import Any, cast

from greffier_models.errors import EngineError
from greffier_models.types import RecognitionOptions

__all__ = ["Tokens"]

_PROMPT_TOKENS = 223


class Tokens:
    """The tokenizer of one model; only read after construction.

    Args:
        tokenizer: Hugging Face's, of the model.
        multilingual: the model knows languages and tasks.
    """

    def __init__(self, tokenizer: Any, *, multilingual: bool) -> None:
        self._tokenizer = tokenizer
        # Text is text: a glossary that says <|fr|> must not command the decoder.
        self._tokenizer.encode_special_tokens = True
        self._multilingual = multilingual
        self.languages = self._known_languages()
        """ISO 639-1 codes this model knows."""
        self.suppressed = self._suppressed()
        """Never to be decoded."""
        self.transcript = self._id("<|startoftranscript|>")
        self.end = self._id("<|endoftext|>")
        """Text has lower numbers, commands higher ones."""
        self._no_timestamps = self._id("<|notimestamps|>")
        self._previous = self._id("<|startofprev|>")

    def begin(self, language: str, task: str) -> list[int]:
        """What every transcript begins with."""
        if not self._multilingual:
            return [self.transcript]
        return [self.transcript, self._id(f"<|{language}|>"), self._id(f"<|{task}|>")]

    def prompt(self, options: RecognitionOptions, language: str, prefix: list[int]) -> list[int]:
        """What the decoder goes on from: earlier text, the beginning, forced text."""
        earlier: list[int] = []
        if options.prompt:
            text = self.encode(" " + options.prompt.strip())[-_PROMPT_TOKENS:]
            earlier = [self._previous, *text] if text else []
        return [*earlier, *self.begin(language, options.task), self._no_timestamps, *prefix]

    def encode(self, text: str) -> list[int]:
        """Numbers of a text."""
        return list(self._tokenizer.encode(text, add_special_tokens=False).ids)

    def decode(self, tokens: list[int]) -> str:
        """Text of numbers."""
        return str(self._tokenizer.decode(tokens))

    def pieces(self, tokens: list[int]) -> list[str]:
        """Text of each token; U+FFFD stands for UTF-8 that a later token completes."""
        pieces: list[str] = []
        pending: list[int] = []
        for token in tokens:
            pending.append(token)
            text = self.decode(pending)
            if text.endswith("\ufffd") and len(pending) < 4:
                pieces.append(text)  # its leading space tells where a word begins
                continue
            pieces.append(text)
            pending = []
        return pieces

    def _id(self, text: str) -> int:
        token = self._tokenizer.token_to_id(text)
        if token is None:
            raise EngineError(f"This model's tokenizer has no {text}: it is not a Whisper model.")
        return int(token)

    def _known_languages(self) -> frozenset[str]:
        if not self._multilingual:
            return frozenset({"en"})
        vocabulary = cast("dict[str, int]", self._tokenizer.get_vocab())
        codes = (token[2:-2] for token in vocabulary if token.startswith("<|"))
        return frozenset(code for code in codes if code.isalpha() and len(code) in (2, 3))

    def _suppressed(self) -> list[int]:
        """Symbols that are never speech (music signs, brackets), as OpenAI's decoder suppresses."""
        from faster_whisper.tokenizer import Tokenizer

        language = "en" if self._multilingual else None
        task = "transcribe" if self._multilingual else None
        tokenizer = Tokenizer(self._tokenizer, self._multilingual, task=task, language=language)
        special = [
            self._id(name)
            for name in (
                "<|startoftranscript|>",
                "<|startofprev|>",
                "<|startoflm|>",
                "<|transcribe|>",
                "<|translate|>",
            )
        ]
        return sorted({*tokenizer.non_speech_tokens, *special})
