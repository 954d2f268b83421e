"""The lists of what Whisper says over nothing, in every language they know."""

import pytest

from greffier_server.core.phrases import folded, is_closing, is_credit, is_murmur

pytestmark = pytest.mark.unit


@pytest.mark.parametrize(
    "text",
    [
        "Sous-titrage ST\u2019 501",
        "Sous-titres réalisés par la communauté d'Amara.org",
        "Subtitles by the Amara.org community",
        "Untertitel der Amara.org-Community",
        "Untertitelung des ZDF, 2020",
        "Subtítulos realizados por la comunidad de Amara.org",
        "Sottotitoli creati dalla comunità Amara.org",
        "Legendas pela comunidade Amara.org",
        "Ondertiteld door de Amara.org gemeenschap",
        "Субтитры сделал DimaTorzok",
        "ترجمة نانسي قنقر",
        "字幕由 Amara.org 社区提供",
    ],
)
def test_credits_are_known_whatever_the_language_of_the_session(text: str) -> None:
    assert is_credit(folded(text))


@pytest.mark.parametrize(
    ("text", "language"),
    [
        ("Merci d\u2019avoir regardé  cette vidéo !", "fr"),
        ("Thanks for watching!", "en"),
        ("Thanks for watching!", "fr"),
        ("Vielen Dank fürs Zuschauen!", "de"),
        ("¡Suscríbete al canal!", "es"),
        ("Iscriviti al canale", "it"),
        ("Obrigado por assistir.", "pt"),
        ("Bedankt voor het kijken.", "nl"),
        ("Продолжение следует...", "ru"),
        ("اشتركوا في القناة", "ar"),
        ("请不吝点赞 订阅 转发", "zh"),
        ("ご視聴ありがとうございました", "ja"),
    ],
)
def test_closings(text: str, language: str) -> None:
    assert is_closing(folded(text), language)


@pytest.mark.parametrize(
    ("text", "language"),
    [
        ("Merci.", "fr"),
        ("Merci. Merci.", "fr"),
        ("Thank you.", "fr"),
        (" you", "en"),
        ("Bye-bye!", "en"),
        ("Vielen Dank.", "de"),
        ("Gracias.", "es"),
        ("Grazie.", "it"),
        ("Obrigado.", "pt"),
        ("Dank u wel.", "nl"),
        ("Спасибо.", "ru"),
        ("شكرا", "ar"),
        ("谢谢。", "zh"),
        ("ありがとうございました。", "ja"),
        ("...", "fr"),
        ("\u266a", "ko"),
    ],
)
def test_murmurs(text: str, language: str) -> None:
    assert is_murmur(folded(text), language)


@pytest.mark.parametrize(
    "text",
    [
        "Merci, monsieur le maire.",
        "Le point suivant est le budget.",
        "Thank you, Madam Chair, I object.",
        "Reçu, à vous.",
        "Bonjour.",
        "Oui.",
        "Non.",
        "Roger.",
        "La vidéo de la réunion est en ligne.",
    ],
)
def test_what_is_said_in_meetings_is_in_no_list(text: str) -> None:
    said = folded(text)
    assert [is_credit(said), is_closing(said, "fr"), is_murmur(said, "fr")] == [False] * 3
