"""What each kind of document holds, in French and English, and with a tenant's own templates."""

import json
from pathlib import Path

import pytest

from greffier.plain import to_plain
from greffier.protocol import Chapter, Minutes, MinutesItem
from greffier_server.core.events import GapFound, MinutesWritten, NotesTaken, TextWithheld
from greffier_server.core.note_checks import Notes
from greffier_server.core.state import apply
from greffier_server.documents.kinds import DocumentFormat, Kind
from greffier_server.documents.settings import DocumentSettings
from greffier_server.errors import BadRequest, SettingsInvalid
from greffier_server.settings_sources import load_settings
from tests.support.meetings import Said, spoken, started
from tests.support.minuted import made, meeting, minuted, state_of

pytestmark = pytest.mark.unit

SAID: list[Said] = [
    ("Ana", "fr", "Nous décidons de fermer la salle le 3 mai."),
    ("Bob", "fr", "Je préviens les agents demain."),
    ("Ana", "fr", "Il fait beau."),
]


def text_of(kind: Kind, language: str = "fr", **options: object) -> str:
    state = meeting("meeting-fr" if language == "fr" else "meeting-bilingual", language)
    return made(state, DocumentFormat.TXT, kind, **options).decode()  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("kind", "french", "english"),
    [
        (
            Kind.COMPTE_RENDU,
            ["Compte rendu", "Décisions", "Échéance", "Couverture"],
            ["Minutes", "Decisions"],
        ),
        (
            Kind.PROCES_VERBAL,
            ["Procès-verbal", "La séance est ouverte à 11:00.", "Signatures"],
            ["Formal minutes"],
        ),
        (
            Kind.RELEVE_DE_DECISIONS,
            ["Relevé de décisions", "1. Nous décidons"],
            ["Record of decisions"],
        ),
        (Kind.MAIN_COURANTE, ["Main courante", "Suite donnée"], ["Radio log"]),
        (Kind.SITREP, ["Point de situation", "Situation arrêtée à 11:01"], ["Situation report"]),
        (Kind.SUMMARY, ["Résumé"], ["Summary"]),
        (Kind.DIGEST, ["Au fil de la séance"], ["As it went"]),
        (Kind.EMAIL, ["Objet : Compte rendu", "Bonjour,"], ["Subject: Minutes", "Hello,"]),
        (Kind.TRANSCRIPT, ["Transcription", "Bonjour à tous"], ["Transcript"]),
    ],
)
def test_each_kind_in_two_languages(kind: Kind, french: list[str], english: list[str]) -> None:
    text = text_of(kind).replace("\u00a0", " ")
    assert all(part in text for part in french), text[:400]
    other = text_of(kind, "en")
    assert all(part in other for part in english)


def test_participants_are_those_who_speak() -> None:
    assert "Participants\u00a0: Claire, Alexandre, Nicolas, Sarah" in text_of(Kind.COMPTE_RENDU)


@pytest.mark.parametrize("kind", [kind for kind in Kind if kind.needs_minutes])
@pytest.mark.parametrize("form", [DocumentFormat.TXT, DocumentFormat.MD, DocumentFormat.HTML])
def test_no_unverified_sentence_goes_unmarked(kind: Kind, form: DocumentFormat) -> None:
    doubtful = MinutesItem("Le préfet a signé hier.", (2,), verified=False)
    uncited = MinutesItem("Personne ne conteste.", (), verified=True)
    astray = MinutesItem("Tout est réglé.", (99,), verified=True)
    shown = (doubtful, uncited, astray)
    state = minuted(
        SAID,
        summary=shown,
        decisions=shown,
        actions=shown,
        topics=shown,
        questions=shown,
        figures=shown,
    )
    text = made(state, form, kind).decode().replace("\\", "")
    told = [text.index(item.text) for item in shown]
    for item in shown:
        pieces = text.split(item.text)[1:]
        assert pieces
        assert all("[non vérifié]" in piece[:40] for piece in pieces)
    assert told
    assert "✓" not in text.split("✓ vérifié")[0]


def test_a_fact_of_the_record_needs_no_mark_and_a_claim_in_the_annex_does() -> None:
    state = minuted(
        SAID, annex=(MinutesItem("Gap: 3 s.", (), verified=True), MinutesItem("Dit-on.", (1,)))
    )
    text = made(state, DocumentFormat.TXT).decode()
    assert "* Gap: 3 s.\n" in text.replace("\u00a0:", ":")
    assert "Dit-on. [non vérifié]" in text


def test_coverage_names_the_passages_that_no_sentence_tells_of() -> None:
    state = minuted(
        SAID, decisions=(MinutesItem("Fermer la salle le 3 mai.", (1,), verified=True),)
    )
    text = made(state, DocumentFormat.TXT).decode()
    assert "Aucune phrase ne rend compte des passages suivants" in text
    assert "0:02–0:05" in text


def test_a_digest_is_cut_by_time_and_needs_no_minutes() -> None:
    events = spoken(SAID, finished=False)
    first = Notes("fr", decisions=(MinutesItem("Fermer la salle.", (1,), verified=True),))
    second = Notes("fr", actions=(MinutesItem("Prévenir.", (2,), verified=False, who="Bob"),))
    state = state_of(
        started(),
        *events,
        NotesTaken(0, 1, 1, json.dumps(to_plain(first)), (1,)),
        NotesTaken(1, 2, 2, json.dumps(to_plain(second)), (2,)),
        NotesTaken(2, 3, 3, "{broken", (3,)),
    )
    text = made(state, DocumentFormat.TXT, Kind.DIGEST, every_minutes=1).decode()
    assert "0:00–1:00" in text
    assert "Fermer la salle. [0:00] ✓" in text
    assert "Prévenir. [non vérifié] [0:02]" in text


def test_the_transcript_shows_gaps_withheld_passages_and_translations() -> None:
    state = apply(meeting(), GapFound(62_000, 65_500, "connection lost"))
    state = apply(state, TextWithheld(70_000, 71_000, "no speech", "secret words"))
    text = made(state, DocumentFormat.TXT, Kind.TRANSCRIPT).decode()
    assert "Enregistrement interrompu (3.5 s)" in text
    for at_ms in range(80_000, 90_000, 500):
        state = apply(state, GapFound(at_ms, at_ms + 20, "packet_loss"))
    text = made(state, DocumentFormat.TXT, Kind.TRANSCRIPT).decode()
    assert text.count("packet_loss") == 1
    assert "Enregistrement interrompu par moments (0.4 s sur 9.5 s)" in " ".join(text.split())
    assert "Passage entendu et non retenu (1.0 s)" in text
    assert "secret" not in text


def test_long_sessions_have_chapters() -> None:
    chapter = Chapter(
        "Budget", 600_000, 900_000, (MinutesItem("Fermer la salle.", (1,), verified=True),)
    )
    state = state_of(
        started(), *spoken(SAID), MinutesWritten(Minutes(0, "fr", "T", chapters=(chapter,)))
    )
    text = made(state, DocumentFormat.TXT).decode()
    assert "10:00 – Budget" in text
    assert "Fermer la salle. [0:00] ✓" in text


def test_minutes_are_not_passed_off_in_a_language_they_are_not_in() -> None:
    with pytest.raises(BadRequest, match="are in fr"):
        made(meeting(), DocumentFormat.TXT, language="de")
    assert (
        "Radio log"
        in made(meeting(), DocumentFormat.TXT, Kind.MAIN_COURANTE, language="en").decode()
    )


def test_csv_is_for_the_radio_log() -> None:
    with pytest.raises(BadRequest, match="main-courante"):
        made(meeting(), DocumentFormat.CSV, Kind.SITREP)


# --- templates of a tenant ------------------------------------------------------------------------


def with_template(
    root: Path, text: str, *, name: str = "ministry/summary.html"
) -> DocumentSettings:
    file = root / name
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(text, encoding="utf-8")
    return DocumentSettings(templates_dir=root)


def test_a_tenants_template_replaces_ours(tmp_path: Path) -> None:
    settings = with_template(tmp_path, "<h1>Note {{ title }}</h1><p>{{ summary[0].text }}</p>")
    text = made(meeting(), DocumentFormat.TXT, Kind.SUMMARY, settings=settings).decode()
    assert text.startswith("Note Comité")
    assert "15 janvier" in text
    assert "Compte rendu" in made(meeting(), DocumentFormat.TXT, settings=settings).decode()


def test_the_nearest_template_wins(tmp_path: Path) -> None:
    with_template(tmp_path, "<p>for all</p>", name="summary.html")
    with_template(tmp_path, "<p>other</p>", name="other/summary.html")
    settings = DocumentSettings(templates_dir=tmp_path)
    assert (
        "for all" in made(meeting(), DocumentFormat.TXT, Kind.SUMMARY, settings=settings).decode()
    )
    with_template(tmp_path, "<p>en français</p>", name="ministry/fr/summary.html")
    assert (
        "en français"
        in made(meeting(), DocumentFormat.TXT, Kind.SUMMARY, settings=settings).decode()
    )


def test_words_of_a_further_language(tmp_path: Path) -> None:
    (tmp_path / "ministry").mkdir()
    (tmp_path / "ministry" / "de.toml").write_text('decisions = "Beschlüsse"\npage = "Seite"\n')
    state = minuted(
        [("A", "de", "Wir schließen.")],
        language="de",
        decisions=(MinutesItem("Wir schließen.", (1,), verified=True),),
    )
    settings = DocumentSettings(templates_dir=tmp_path)
    assert "Beschlüsse" in made(state, DocumentFormat.TXT, settings=settings).decode()
    (tmp_path / "ministry" / "de.toml").write_text('unknown = "x"\n')
    with pytest.raises(SettingsInvalid, match="unknown"):
        made(state, DocumentFormat.TXT, settings=settings)


@pytest.mark.parametrize(
    "template",
    [
        "{{ ''.__class__.__mro__[1].__subclasses__() }}",
        "{{ w.__init__.__globals__ }}",
        "{% for n in range(10**9) %}x{% endfor %}",
        "{{ no_such_thing }}",
        "{% if %}",
        "{% include '../../etc/passwd' %}",
        "{{ 'x' * 10**12 }}",
        "{{ 9 ** 999999 }}",
        "{% for n in range(90000) %}{{ w.legend }}{{ w.legend }}{% endfor %}",
        "{{ 1 // 0 }}",
    ],
)
def test_a_template_cannot_reach_the_server(tmp_path: Path, template: str) -> None:
    settings = with_template(tmp_path, f"<p>{template}</p>")
    with pytest.raises(SettingsInvalid) as refused:
        made(meeting(), DocumentFormat.TXT, Kind.SUMMARY, settings=settings)
    assert "summary.html" in refused.value.message


def test_a_template_cannot_put_a_script_into_a_document(tmp_path: Path) -> None:
    settings = with_template(
        tmp_path,
        "<script>alert(1)</script><style>p{}</style><p onclick='x()'>Oui "
        "<a href='javascript:x()'>lien</a> <iframe src='/'>cadre</iframe></p><img src=x>",
    )
    page = made(meeting(), DocumentFormat.HTML, Kind.SUMMARY, settings=settings).decode()
    body = page.split("<main>")[1].split("</main>")[0]
    assert "Oui lien cadre" in body
    assert not any(word in body for word in ("script", "onclick", "<a", "iframe", "img", "style"))


def test_a_time_zone_that_there_is_not() -> None:
    with pytest.raises(ValueError, match="time zone database"):
        DocumentSettings(timezone="Mars/Olympus")


def test_texts_of_pages_are_set_by_tenant(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "greffier.toml"
    file.write_text('[documents]\nheaders.ministry = "En-tête"\n[documents.footers]\na = "b"\n')
    monkeypatch.setenv("GREFFIER_DOCUMENTS__MARKINGS", '{"ministry": "DIFFUSION RESTREINTE"}')
    documents = load_settings(config=file).documents
    assert documents.headers == {"ministry": "En-tête"}
    assert documents.footers == {"a": "b"}
    text = made(meeting(), DocumentFormat.TXT, settings=documents).decode()
    assert text.startswith("En-tête\n\nDIFFUSION RESTREINTE\n\n")
