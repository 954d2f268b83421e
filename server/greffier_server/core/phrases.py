"""What Whisper says over nothing, by language: the subtitles it was trained on, signed and thanked.

A phrase alone proves nothing: "merci" and "thank you" are said in every meeting. The lists are
consulted only where the audio gives weak evidence (see `greffier_server.core.defence`); how weak
depends on how likely the phrase is to be said:

- *credits*: who made the subtitles. Hardly ever spoken: anything short of strong evidence will do.
- *closings*: the end of a video. Seldom spoken: withheld on weak evidence.
- *murmurs*: single short answers. Often spoken: withheld only where they are all that was heard,
  and the evidence is weak.

Collected from what Whisper's users report of every size of the model, and from
A. Koenecke et al., "Careless Whisper: Speech-to-Text Hallucination Harms", FAccT 2024, and
M. Barański et al., "Investigation of Whisper ASR Hallucinations Induced by Non-Speech Audio",
ICASSP 2025.
"""

import re

__all__ = ["folded", "is_closing", "is_credit", "is_murmur"]

_CREDITS = (
    "amara.org",
    "amara org",
    "mooji.org",
    "opensubtitles",
    # French
    "sous-titrage",
    "sous-titres réalisés",
    "sous-titres faits par",
    "sous-titres par",
    "sous-titré par",
    "soustitreur.com",
    # English
    "subtitles by",
    "subtitled by",
    "captions by",
    "captioned by",
    "transcribed by",
    "transcription by",
    "translated by",
    "subs by",
    # German
    "untertitel der",
    "untertitel von",
    "untertitel im auftrag",
    "untertitelung",
    "untertitel:",
    "swr 20",
    "zdf für funk",
    # Spanish, Portuguese, Italian, Dutch
    "subtítulos realizados",
    "subtítulos por",
    "subtítulos creados",
    "subtitulado por",
    "legendas pela",
    "legendas por",
    "legenda adriana",
    "transcrição e legendas",
    "sottotitoli creati",
    "sottotitoli e revisione",
    "sottotitoli a cura",
    "ondertiteld door",
    "ondertiteling door",
    "ondertitels ingediend",
    "tv gelderland",
    # Russian
    "субтитры сделал",
    "субтитры делал",
    "субтитры создавал",
    "субтитры подогнал",
    "субтитры добавил",
    "редактор субтитров",
    "корректор а.",
    "dimatorzok",
    # Arabic
    "ترجمة نانسي",
    "ترجمة وتدقيق",
    "نانسي قنقر",
    # Chinese, Japanese
    "字幕由",
    "字幕by",
    "字幕製作",
    "字幕制作",
    "字幕志愿者",
    "字幕志願者",
    "中文字幕",
    "由 amara",
    "明镜与点点",
    "明鏡與點點",
)

_CLOSINGS: dict[str, tuple[str, ...]] = {
    "fr": (
        "merci d'avoir regardé",
        "merci d'avoir visionné",
        "merci d'avoir suivi",
        "merci de votre attention et à bientôt",
        "abonnez-vous",
        "n'oubliez pas de vous abonner",
        "à la prochaine vidéo",
        "pour une nouvelle vidéo",
        "dans une prochaine vidéo",
        "mettez un pouce",
        "la vidéo est terminée",
    ),
    "en": (
        "thanks for watching",
        "thank you for watching",
        "thank you so much for watching",
        "thanks for listening",
        "please subscribe",
        "like and subscribe",
        "subscribe to my channel",
        "subscribe to our channel",
        "don't forget to subscribe",
        "hit the bell",
        "see you in the next video",
        "see you next time",
        "in the next video",
    ),
    "de": (
        "vielen dank fürs zuschauen",
        "vielen dank fürs zuhören",
        "danke fürs zuschauen",
        "danke fürs zusehen",
        "bis zum nächsten mal",
        "abonniert",
        "im nächsten video",
        "das war's für heute",
    ),
    "es": (
        "gracias por ver",
        "gracias por mirar",
        "suscríbete",
        "suscribirse al canal",
        "no olvides suscribirte",
        "hasta la próxima",
        "nos vemos en el próximo",
        "en el próximo video",
        "en el próximo vídeo",
    ),
    "it": (
        "grazie per aver guardato",
        "grazie per la visione",
        "grazie per l'attenzione",
        "iscriviti al canale",
        "iscrivetevi al canale",
        "alla prossima",
        "nel prossimo video",
    ),
    "pt": (
        "obrigado por assistir",
        "obrigada por assistir",
        "inscreva-se",
        "se inscreva no canal",
        "até a próxima",
        "até o próximo vídeo",
        "no próximo vídeo",
    ),
    "nl": (
        "bedankt voor het kijken",
        "bedankt om te kijken",
        "dank u voor het kijken",
        "abonneer",
        "tot de volgende keer",
        "in de volgende video",
    ),
    "ru": (
        "продолжение следует",
        "спасибо за просмотр",
        "спасибо за внимание",
        "подписывайтесь на",
        "подпишитесь на",
        "ставьте лайки",
        "до новых встреч",
        "смотрите продолжение",
    ),
    "ar": (
        "شكرا على المشاهدة",
        "شكرا للمشاهدة",
        "شكراً على المشاهدة",
        "اشتركوا في القناة",
        "اشترك في القناة",
        "لا تنسوا الاشتراك",
    ),
    "zh": (
        "谢谢观看",
        "謝謝觀看",
        "感谢观看",
        "感謝觀看",
        "谢谢收看",
        "謝謝收看",
        "请不吝点赞",
        "請不吝點贊",
        "订阅我的频道",
        "訂閱我的頻道",
        "点赞订阅",
        "下期再见",
        "下期再見",
    ),
    "ja": (
        "ご視聴ありがとうございました",
        "ご覧いただきありがとう",
        "最後までご視聴",
        "チャンネル登録",
        "高評価",
        "また次の動画",
        "次の動画でお会い",
    ),
}

_MURMURS: dict[str, frozenset[str]] = {
    "fr": frozenset(
        {"merci", "merci beaucoup", "merci à tous", "au revoir", "à bientôt", "musique"}
    ),
    "en": frozenset(
        {"you", "thank you", "thanks", "thank you very much", "thank you so much", "bye", "bye bye"}
        | {"bye-bye", "okay", "oh", "ah", "hmm", "mm", "uh", "music", "silence", "the end", "shh"}
        | {"whoosh", "beep", "good night", "i'm sorry"}
    ),
    "de": frozenset({"vielen dank", "danke", "danke schön", "tschüss", "musik"}),
    "es": frozenset({"gracias", "muchas gracias", "adiós", "chao", "música"}),
    "it": frozenset({"grazie", "grazie mille", "grazie a tutti", "ciao", "arrivederci", "musica"}),
    "pt": frozenset({"obrigado", "obrigada", "muito obrigado", "tchau", "música", "e aí"}),
    "nl": frozenset({"dank u", "dank je", "bedankt", "dank u wel", "doei", "muziek"}),
    "ru": frozenset({"спасибо", "большое спасибо", "пока", "до свидания", "музыка"}),
    "ar": frozenset({"شكرا", "شكراً", "شكرا لكم", "موسيقى"}),
    "zh": frozenset({"谢谢", "謝謝", "谢谢大家", "謝謝大家", "再见", "再見", "嗯", "音乐", "音樂"}),
    "ja": frozenset(
        {
            "ありがとうございました",
            "ありがとうございます",
            "ありがとう",
            "おやすみなさい",
            "ん",
            "音楽",
        }
    ),
}

_SPACES = re.compile(r"\s+")
_EDGES = ' \t\n.,!?;:…。、！？，«»"“”()[]*♪-'


def folded(text: str) -> str:
    """Text as the lists have it: small letters, straight apostrophes, single spaces."""
    straight = text.casefold().replace("’", "'").replace("‘", "'")
    return _SPACES.sub(" ", straight).strip()


def is_credit(text: str) -> bool:
    """Whether folded `text` says who made the subtitles, in any language."""
    return any(phrase in text for phrase in _CREDITS)


def is_closing(text: str, language: str) -> bool:
    """Whether folded `text` ends a video, in `language` or in English."""
    phrases = (*_CLOSINGS.get(language, ()), *_CLOSINGS["en"])
    return any(phrase in text for phrase in phrases)


def is_murmur(text: str, language: str) -> bool:
    """Whether folded `text` is nothing but a short answer, said once or over and over."""
    known = _MURMURS.get(language, frozenset()) | _MURMURS["en"]
    bare = text.strip(_EDGES)
    if not bare or bare in known:
        return True
    sentences = {part.strip(_EDGES) for part in re.split(r"[.!?…。！？,，、]", bare)} - {""}
    return bool(sentences) and sentences <= known
