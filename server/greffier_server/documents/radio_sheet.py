"""The radio log of a watch as a document: several nets in one table, and the hand-over notes."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from zoneinfo import ZoneInfo

from greffier_server.core.events import WatchHandedOver
from greffier_server.core.radio import Transmission
from greffier_server.core.radio_choice import Choice
from greffier_server.documents.cleaning import clean, clean_line
from greffier_server.documents.dates import written_date
from greffier_server.documents.pages import Block, Cell, Document, Heading, Paragraph, Run, Table
from greffier_server.documents.settings import DocumentSettings
from greffier_server.documents.typography import typeset
from greffier_server.documents.words import Words

__all__ = ["Sheet", "SheetNet"]

_FRENCH = {
    "net": "Réseau",
    "nets": "Réseaux",
    "distress": "DÉTRESSE",
    "urgency": "URGENCE",
    "safety": "SÉCURITÉ",
    "watchword": "ALERTE",
    "acknowledged": "pris en compte : {who}",
    "notes": "Consignes de relève",
    "from": "à partir du {at}",
    "to": "jusqu'au {at}",
    "alerts": "alertes seulement",
    "open": "sans suite seulement",
    "text": "texte « {text} »",
    "chosen": "Choix : {choice}.",
    "count": "Transmissions : {count}",
    "unknown": "–",
}
_ENGLISH = {
    "net": "Net",
    "nets": "Nets",
    "distress": "DISTRESS",
    "urgency": "URGENCY",
    "safety": "SAFETY",
    "watchword": "ALERT",
    "acknowledged": "acknowledged: {who}",
    "notes": "Hand-over notes",
    "from": "from {at}",
    "to": "up to {at}",
    "alerts": "alerts alone",
    "open": "without action alone",
    "text": "text “{text}”",
    "chosen": "Chosen: {choice}.",
    "count": "Transmissions: {count}",
    "unknown": "–",
}


@dataclass(frozen=True, slots=True)
class SheetNet:
    """A net and its lines."""

    title: str
    begun_at_ms: int
    lines: Sequence[Transmission]


@dataclass(frozen=True, slots=True)
class Sheet:
    """What is asked for; `blocks` makes the document of it."""

    nets: Sequence[SheetNet]
    handovers: Sequence[WatchHandedOver]
    choice: Choice
    language: str
    zone: ZoneInfo | None = None

    def document(self, words: Words, settings: DocumentSettings, tenant: str) -> Document:
        """Return it on the tenant's pages."""
        marking = clean_line(settings.markings.get(tenant, ""))
        made = Document(
            title=words.radio_log,
            language=self.language,
            blocks=self.blocks(words),
            marking=marking,
            header=clean_line(settings.headers.get(tenant, "")),
            footer=clean_line(settings.footers.get(tenant, "")),
            words=words,
        )
        return replace(typeset(made), marking=marking)

    def blocks(self, words: Words) -> tuple[Block, ...]:
        """Return the log, in order of time, as `choice` has it."""
        own = _FRENCH if self.language == "fr" else _ENGLISH
        rows = self._rows()
        several = len(self.nets) > 1
        told: list[Block] = [
            Heading(1, _cell(words.radio_log)),
            Paragraph(self._about(words, own, [at_ms for at_ms, _, _ in rows])),
        ]
        if chosen := self._chosen(own):
            told.append(Paragraph(_cell(own["chosen"].format(choice=", ".join(chosen))), note=True))
        if rows:
            head = [words.number, words.time, *([own["net"]] if several else [])]
            head += [words.sender, words.receiver, words.message, words.action]
            body = tuple(self._row(*row, own=own, several=several) for row in rows)
            told.append(Table(tuple(map(_cell, head)), body))
        else:
            told.append(Paragraph(_cell(words.none)))
        notes = [note for note in self.handovers if self._overlaps(note)]
        if notes:
            told.append(Heading(2, _cell(own["notes"])))
        for note in notes:
            who = f"{note.who} → {note.relieved_by}, {self._span(note)}"
            told += [
                Paragraph((Run(clean_line(who), "strong"),)),
                *(Paragraph(_cell(line)) for line in clean(note.note).split("\n") if line.strip()),
            ]
        return tuple(told)

    def _rows(self) -> list[tuple[int, str, Transmission]]:
        rows = [
            (net.begun_at_ms + line.start_ms, net.title, line)
            for net in self.nets
            for line in net.lines
            if self.choice.keeps(
                line, received_at_ms=net.begun_at_ms + line.start_ms, net=net.title
            )
        ]
        return sorted(rows, key=lambda row: (row[0], row[1], row[2].number))

    def _row(
        self, at_ms: int, net: str, line: Transmission, *, own: dict[str, str], several: bool
    ) -> tuple[Cell, ...]:
        message: list[Run] = []
        if line.alerts:
            message.append(Run(f"{own[line.alerts[0].level]} – ", "strong"))
        message.append(Run(clean_line(line.message)))
        done = [line.action] if line.action else []
        if line.acknowledged:
            done.append(own["acknowledged"].format(who=line.acknowledged))
        cells = [str(line.number), self._at(at_ms).strftime("%H:%M:%S")]
        cells += [net] if several else []
        cells += [line.sent_by or own["unknown"], line.addressed_to or own["unknown"]]
        action = _cell("; ".join(done) or own["unknown"])
        return (*map(_cell, cells), tuple(message), action)

    def _about(self, words: Words, own: dict[str, str], times: Sequence[int]) -> Cell:
        """Which nets, which day, from when to when, how many lines."""
        day = ""
        if times:
            first, last = self._at(times[0]), self._at(times[-1])
            day = f"{words.date}: {written_date(first, self.language)}, {first:%H:%M}–"
            if last.date() != first.date():
                day += f"{written_date(last, self.language)}, "
            day += f"{last:%H:%M}. "
        names = ", ".join(net.title for net in self.nets)
        kind = own["nets"] if len(self.nets) > 1 else own["net"]
        count = own["count"].format(count=len(times))
        return _cell(f"{kind}: {names}. {day}{count}.")

    def _chosen(self, own: dict[str, str]) -> list[str]:
        choice = self.choice
        told: list[str] = []
        if choice.from_at_ms:
            told.append(own["from"].format(at=self._moment(choice.from_at_ms)))
        if choice.to_at_ms is not None:
            told.append(own["to"].format(at=self._moment(choice.to_at_ms)))
        if choice.show != "all":
            told.append(own[choice.show])
        if choice.text.strip():
            told.append(own["text"].format(text=clean_line(choice.text)))
        return told

    def _overlaps(self, note: WatchHandedOver) -> bool:
        begins_later = self.choice.to_at_ms is not None and note.from_at_ms >= self.choice.to_at_ms
        return note.to_at_ms >= self.choice.from_at_ms and not begins_later

    def _span(self, note: WatchHandedOver) -> str:
        return f"{self._moment(note.from_at_ms)} – {self._moment(note.to_at_ms)}"

    def _moment(self, at_ms: int) -> str:
        at = self._at(at_ms)
        return f"{written_date(at, self.language)}, {at:%H:%M}"

    def _at(self, at_ms: int) -> datetime:
        return datetime.fromtimestamp(at_ms / 1000, UTC).astimezone(self.zone)


def _cell(text: str) -> Cell:
    return (Run(clean_line(text)),)
