"""How wide the columns of a table are."""

from greffier_server.documents.pages import Table, plain

__all__ = ["column_shares"]

_LINE_CHARS = 96.0
"""About what a line of the page holds, at the size of tables."""
_WIDEST = 60.0
_LONGEST_WORD = 16.0


def column_shares(table: Table) -> list[float]:
    """Return the part of the page's width that each column gets.

    Each has room for its longest word; what is left goes to those with long texts.
    """
    least: list[float] = []
    wished: list[float] = []
    for place, head in enumerate(table.head):
        texts = [plain(head) + "  ", *(plain(row[place]) for row in table.rows)]
        words = (len(word) for text in texts for word in text.split())
        least.append(min(max(words, default=0) * 1.15 + 2.5, _LONGEST_WORD))
        wished.append(min(max(map(len, texts)), _WIDEST))
    left = max(0.0, _LINE_CHARS - sum(least))
    more = [max(0.0, wish - floor) for wish, floor in zip(wished, least, strict=True)]
    widths = [
        floor + (left * part / sum(more) if sum(more) else 0.0)
        for floor, part in zip(least, more, strict=True)
    ]
    return [width / sum(widths) for width in widths]
