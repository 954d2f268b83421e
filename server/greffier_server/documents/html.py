"""A document as one HTML page that loads nothing and runs nothing."""

import html

from greffier_server.documents.pages import Block, Cell, Document, Heading, Listing, Paragraph, Run

__all__ = ["to_html"]

_STYLE = """
:root { color-scheme: light; }
body { font: 1rem/1.5 "Marianne", "Source Sans Pro", "Segoe UI", Arial, sans-serif; color: #161616;
  background: #fff; max-width: 46rem; margin: 0 auto; padding: 0 1.25rem 3rem; }
h1 { font-size: 1.75rem; line-height: 1.2; margin: 1.5rem 0 .5rem; }
h2 { font-size: 1.2rem; margin: 1.75rem 0 .5rem; border-bottom: 1px solid #ccc; }
h3 { font-size: 1rem; margin: 1.25rem 0 .25rem; }
p, li { overflow-wrap: anywhere; }
li { margin: .3rem 0; }
.note { font-size: .85rem; color: #555; }
.cite { color: #1f4a8f; font-size: .85em; white-space: nowrap; font-variant-numeric: tabular-nums; }
mark { background: #fff3cd; color: #6b4e00; font-size: .85em; padding: 0 .25em; }
table { border-collapse: collapse; width: 100%; font-size: .95em; }
th, td { border: 1px solid #bbb; padding: .3rem .5rem; text-align: left; vertical-align: top;
  overflow-wrap: anywhere; }
th { background: #eef1f6; }
.marking { text-align: center; font-weight: 700; letter-spacing: .08em; color: #b00020;
  border: 2px solid #b00020; padding: .15rem .75rem; margin: .75rem auto; width: fit-content; }
.page { color: #555; font-size: .85rem; text-align: center; }
:target { background: #eef4ff; }
@media print {
  @page { size: A4; margin: 22mm 20mm; }
  body { max-width: none; padding: 0; }
  h1, h2, h3 { break-after: avoid; }
  li, tr { break-inside: avoid; }
  header.each { position: fixed; top: -16mm; left: 0; right: 0; }
  footer.each { position: fixed; bottom: -16mm; left: 0; right: 0; }
}
"""


def to_html(document: Document) -> str:
    """Return `document` as a page of its own.

    A content security policy in the page forbids scripts and every request, wherever it is opened.
    Citations lead to the passage where the document holds it, else they are plain time codes.
    """
    targets = {
        block.at_s
        for block in document.blocks
        if isinstance(block, Paragraph) and block.at_s is not None
    }
    marking = f'<p class="marking">{_text(document.marking)}</p>' if document.marking else ""
    header = f'<p class="page">{_text(document.header)}</p>' if document.header else ""
    footer = f'<p class="page">{_text(document.footer)}</p>' if document.footer else ""
    placed: set[int] = set()
    body = "\n".join(_block(block, targets, placed) for block in document.blocks)
    return (
        f'<!DOCTYPE html>\n<html lang="{_text(document.language)}">\n<head>\n'
        '<meta charset="utf-8">\n'
        '<meta http-equiv="Content-Security-Policy" '
        "content=\"default-src 'none'; style-src 'unsafe-inline'; form-action 'none'; "
        "base-uri 'none'\">\n"
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        '<meta name="referrer" content="no-referrer">\n'
        f"<title>{_text(document.title)}</title>\n<style>{_STYLE}</style>\n</head>\n<body>\n"
        f'<header class="each">{header}{marking}</header>\n'
        f"<main>\n{body}\n</main>\n"
        f'<footer class="each">{marking}{footer}</footer>\n</body>\n</html>\n'
    )


def _block(block: Block, targets: set[int], placed: set[int]) -> str:
    match block:
        case Heading(level=level, runs=runs):
            return f"<h{level}>{_runs(runs, targets)}</h{level}>"
        case Paragraph(runs=runs, note=note, at_s=at_s):
            name = ' class="note"' if note else ""
            place = ""
            if at_s is not None and at_s not in placed:  # an id stands once in a page
                placed.add(at_s)
                place = f' id="t={at_s}"'
            return f"<p{name}{place}>{_runs(runs, targets)}</p>"
        case Listing(items=items, ordered=ordered):
            tag = "ol" if ordered else "ul"
            rows = "\n".join(f"<li>{_runs(item, targets)}</li>" for item in items)
            return f"<{tag}>\n{rows}\n</{tag}>"
        case _:
            head = "".join(f'<th scope="col">{_runs(cell, targets)}</th>' for cell in block.head)
            rows = "\n".join(
                "<tr>" + "".join(f"<td>{_runs(cell, targets)}</td>" for cell in row) + "</tr>"
                for row in block.rows
            )
            return f"<table>\n<thead><tr>{head}</tr></thead>\n<tbody>\n{rows}\n</tbody>\n</table>"


def _runs(runs: Cell, targets: set[int]) -> str:
    return "".join(_run(run, targets) for run in runs)


def _run(run: Run, targets: set[int]) -> str:
    text = _text(run.text)
    match run.style:
        case "strong" | "em" | "mark":
            return f"<{run.style}>{text}</{run.style}>"
        case "cite" if run.at_s in targets:
            return f'<a class="cite" href="#t={run.at_s}">{text}</a>'
        case "cite":
            return f'<span class="cite">{text}</span>'
        case "break":
            return "<br>"
        case _:
            return text


def _text(text: str) -> str:
    return html.escape(text, quote=True)
