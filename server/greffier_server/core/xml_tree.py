"""Small XML documents of strangers as trees: no entities, no other files, bounded in every way.

Only what a document itself holds is read: a DTD that it names is not fetched, and a document that
declares entities of its own is refused (CWE-776, CWE-611).
"""

from dataclasses import dataclass, field
from xml.parsers import expat

__all__ = ["XmlElement", "XmlFault", "read_xml"]

_MAX_ELEMENTS = 200_000
_MAX_DEPTH = 24
_LANG = "xml:lang"


class XmlFault(ValueError):
    """Not such a document; the message says where and never repeats content."""


@dataclass(slots=True)
class XmlElement:
    """An element; names are without their namespace."""

    name: str
    attributes: dict[str, str]
    parts: list["XmlElement"] = field(default_factory=list["XmlElement"])
    text: str = ""
    """Its own and its descendants' text."""
    pieces: list[str] = field(default_factory=list[str])
    """The text while it is read."""

    @property
    def language(self) -> str:
        """``xml:lang``, or nothing."""
        return self.attributes.get(_LANG, "")

    def all(self, *names: str) -> list["XmlElement"]:
        """Return every descendant of these names, in order."""
        found: list[XmlElement] = []
        for part in self.parts:
            if part.name in names:
                found.append(part)
            found += part.all(*names)
        return found


def read_xml(document: bytes) -> XmlElement:
    """Parse `document`.

    Raises:
        XmlFault: not well-formed, too large, too deep, or it declares entities.
    """
    parser = expat.ParserCreate()
    root: list[XmlElement] = []
    path: list[XmlElement] = []
    count = 0

    def refuse(*_: object) -> int:
        raise XmlFault("the document declares entities; they are not read")

    def start(name: str, attributes: dict[str, str]) -> None:
        nonlocal count
        count += 1
        if count > _MAX_ELEMENTS or len(path) >= _MAX_DEPTH:
            raise XmlFault("the document has too many elements, or too many inside each other")
        element = XmlElement(name.rpartition(":")[2], attributes)
        (path[-1].parts if path else root).append(element)
        path.append(element)

    def end(_name: str) -> None:
        closed = path.pop()
        closed.text = "".join(closed.pieces)
        closed.pieces.clear()
        if path:
            path[-1].pieces.append(closed.text)

    def text(characters: str) -> None:
        if path:
            path[-1].pieces.append(characters)

    parser.EntityDeclHandler = refuse
    parser.UnparsedEntityDeclHandler = refuse
    parser.ExternalEntityRefHandler = refuse
    parser.SkippedEntityHandler = refuse
    parser.StartElementHandler = start
    parser.EndElementHandler = end
    parser.CharacterDataHandler = text
    try:
        parser.Parse(document, True)
    except expat.ExpatError as error:
        raise XmlFault(f"line {error.lineno}: the document is not well-formed XML") from None
    except (ValueError, LookupError) as error:  # an encoding that nobody knows
        if isinstance(error, XmlFault):
            raise
        raise XmlFault("the document is in an encoding that is not known") from None
    return root[0]
