"""Other people's readers of formats that we write, each behind one typed function."""

import io
from typing import Any, cast

import html5lib
import ttconv.imsc.reader as imsc
from defusedxml.ElementTree import fromstring

__all__ = ["html_tree", "imsc_document", "xml_tree"]


def xml_tree(text: bytes | str) -> Any:
    """Root of an XML document; raises where it is not well-formed, or defines entities."""
    return cast("Any", fromstring)(text)


def html_tree(page: bytes) -> Any:
    """Root of an HTML page; raises on the first error of parsing."""
    parser = cast("Any", html5lib).HTMLParser(strict=True, namespaceHTMLElements=False)
    return parser.parse(io.BytesIO(page), transport_encoding="utf-8")


def imsc_document(text: str) -> Any:
    """An IMSC document as the reader of the W3C's converter takes it."""
    from xml.etree.ElementTree import ElementTree

    document = cast("Any", imsc).to_model(ElementTree(xml_tree(text)))
    assert document is not None
    return document
