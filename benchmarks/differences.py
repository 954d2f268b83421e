"""Which words a text has otherwise than its reference (pure)."""

import jiwer

from benchmarks.accuracy import normalise

__all__ = ["differences"]


def differences(reference: str, text: str, *, language: str) -> list[str]:
    """Each place where the two differ, as ``said -> written``; a dash stands for nothing.

    Args:
        reference: what was said.
        text: what was written.
        language: ISO 639-1, for the normaliser.
    """
    said = normalise(reference, language).split()
    written = normalise(text, language).split()
    if not said or not written:
        return [_arrow(said, written)] if said or written else []
    places: list[tuple[list[str], list[str]]] = []
    apart = False
    for chunk in jiwer.process_words(" ".join(said), " ".join(written)).alignments[0]:
        if chunk.type == "equal":
            apart = False
            continue
        if not apart:
            places.append(([], []))
        apart = True
        places[-1][0].extend(said[chunk.ref_start_idx : chunk.ref_end_idx])
        places[-1][1].extend(written[chunk.hyp_start_idx : chunk.hyp_end_idx])
    return [_arrow(*place) for place in places]


def _arrow(said: list[str], written: list[str]) -> str:
    return f"{' '.join(said) or '-'} -> {' '.join(written) or '-'}"
