"""The kinds of documents that can be made of a session, and the file formats they are drawn in."""

from enum import StrEnum

__all__ = ["MEDIA_TYPES", "DocumentFormat", "Kind"]


class Kind(StrEnum):
    """What a document is for; each is a template."""

    COMPTE_RENDU = "compte-rendu"
    """Minutes: summary, decisions, actions, questions, figures, annex."""
    PROCES_VERBAL = "proces-verbal"
    """Formal minutes: who was there, how it went, what was decided, signatures."""
    RELEVE_DE_DECISIONS = "releve-de-decisions"
    """Decisions and actions alone."""
    MAIN_COURANTE = "main-courante"
    """Radio log: number, time, from, to, message, action taken."""
    SITREP = "sitrep"
    """Situation report: what is known, done, decided, open, and the latest messages."""
    SUMMARY = "summary"
    """A few sentences."""
    DIGEST = "digest"
    """What was said in every stretch of some minutes, for those who join late."""
    EMAIL = "email"
    """Draft of a message to the participants."""
    TRANSCRIPT = "transcript"
    """All that was said."""

    @property
    def needs_minutes(self) -> bool:
        """Whether there is nothing to write before the session has its minutes."""
        return self not in (Kind.MAIN_COURANTE, Kind.DIGEST, Kind.TRANSCRIPT)


class DocumentFormat(StrEnum):
    """How a document is written."""

    MD = "md"
    TXT = "txt"
    HTML = "html"
    DOCX = "docx"
    PDF = "pdf"
    CSV = "csv"


MEDIA_TYPES = {
    DocumentFormat.MD: "text/markdown; charset=utf-8",
    DocumentFormat.TXT: "text/plain; charset=utf-8",
    DocumentFormat.HTML: "text/html; charset=utf-8",
    DocumentFormat.DOCX: "application/vnd.openxmlformats-officedocument.wordprocessingml.document",
    DocumentFormat.PDF: "application/pdf",
    DocumentFormat.CSV: "text/csv; charset=utf-8",
}
