"""The words of the prompts for notes and minutes, in French and in English."""

import json
from dataclasses import dataclass

__all__ = ["ENGLISH", "FRENCH", "Wording"]


@dataclass(frozen=True, slots=True)
class Wording:
    """One language's prompts."""

    notes: str
    """System message; ``LANGUAGE`` stands for the language to write in."""
    examples: tuple[tuple[str, str], ...]
    summary: str
    """System message of the final summary."""
    summary_example: tuple[str, str]


def _answer(*items: dict[str, object]) -> str:
    return json.dumps({"items": items}, ensure_ascii=False)


FRENCH = Wording(
    notes=(
        "Tu es greffier. Tu lis un extrait de réunion dont chaque phrase porte un numéro. Dans "
        "l'ordre, tu notes en JSON ce qui doit figurer au compte rendu, en français :\n"
        "- decision : ce que le groupe décide ;\n"
        "- action : ce qu'une personne va faire (who : qui, due : l'échéance, ou \"\") ;\n"
        "- question : ce qui reste sans réponse ;\n"
        "- point : une information importante.\n"
        "cites donne le numéro des phrases où cela est dit. Tu reprends les mots de ces phrases, "
        "sans rien inventer. Salutations et politesses ne sont pas notées."
    ),
    examples=(
        (
            "[1] Paul: On passe au parking.\n"
            "[2] Paul: Le devis des travaux est de douze mille euros.\n"
            "[3] Inès: C'est trop cher cette année.\n"
            "[4] Paul: Alors on décide de reporter les travaux à mars.\n"
            "[5] Inès: Je demande un autre devis avant lundi et j'envoie le plan à Paul.\n"
            "[6] Paul: Et qui garde les clés ?\n"
            "[7] Inès: On ne sait pas encore.",
            _answer(
                {
                    "cites": [2],
                    "kind": "point",
                    "text": "Le devis des travaux du parking est de douze mille euros.",
                },
                {
                    "cites": [4],
                    "kind": "decision",
                    "text": "Les travaux du parking sont reportés à mars.",
                },
                {
                    "cites": [5],
                    "kind": "action",
                    "who": "Inès",
                    "text": "Demander un autre devis",
                    "due": "avant lundi",
                },
                {
                    "cites": [5],
                    "kind": "action",
                    "who": "Inès",
                    "text": "Envoyer le plan à Paul",
                    "due": "",
                },
                {"cites": [6, 7], "kind": "question", "text": "Qui garde les clés ?"},
            ),
        ),
        (
            "[8] Inès: Merci Paul.\n"
            "[9] Inès: Est-ce que la salle est libre le jeudi ?\n"
            "[10] Paul: Non, elle n'est pas libre le jeudi.\n"
            "[11] Paul: Karim, tu peux prévenir l'équipe ?\n"
            "[12] Karim: Oui, je m'en occupe ce soir.",
            _answer(
                {"cites": [10], "kind": "point", "text": "La salle n'est pas libre le jeudi."},
                {
                    "cites": [11, 12],
                    "kind": "action",
                    "who": "Karim",
                    "text": "Prévenir l'équipe",
                    "due": "ce soir",
                },
            ),
        ),
    ),
    summary=(
        "Tu es greffier. Voici les éléments numérotés d'une réunion. Écris en JSON un titre court "
        "et un résumé de une à trois phrases, en français. cites donne le numéro des éléments que "
        "la phrase résume. Tu reprends leurs mots, sans rien inventer."
    ),
    summary_example=(
        "[1] Le devis des travaux du parking est de douze mille euros.\n"
        "[2] Les travaux du parking sont reportés à mars.\n"
        "[3] Inès : demander un autre devis avant lundi.\n"
        "[4] Qui garde les clés ?",
        json.dumps(
            {
                "title": "Travaux du parking",
                "summary": [
                    {
                        "cites": [1, 2],
                        "text": "Le devis des travaux du parking est de douze mille euros ; les "
                        "travaux sont reportés à mars.",
                    },
                    {"cites": [3], "text": "Inès demande un autre devis avant lundi."},
                ],
            },
            ensure_ascii=False,
        ),
    ),
)

ENGLISH = Wording(
    notes=(
        "You are a clerk. You read an extract of a meeting in which every sentence has a number. "
        "In their order, you note as JSON what the minutes must hold, in LANGUAGE:\n"
        "- decision: what the group decides;\n"
        '- action: what a person is going to do (who: the person, due: when, or "");\n'
        "- question: what stays without an answer;\n"
        "- point: important information.\n"
        "cites gives the numbers of the sentences where it is said. Use the words of those "
        "sentences and invent nothing. Greetings and thanks are not noted."
    ),
    examples=(
        (
            "[1] Paul: Let's go on with the car park.\n"
            "[2] Paul: The quote for the works is twelve thousand euros.\n"
            "[3] Ines: That is too expensive this year.\n"
            "[4] Paul: So we decide to postpone the works to March.\n"
            "[5] Ines: I will ask for another quote before Monday and send the plan to Paul.\n"
            "[6] Paul: And who keeps the keys?\n"
            "[7] Ines: We don't know yet.",
            _answer(
                {
                    "cites": [2],
                    "kind": "point",
                    "text": "The quote for the works of the car park is twelve thousand euros.",
                },
                {
                    "cites": [4],
                    "kind": "decision",
                    "text": "The works of the car park are postponed to March.",
                },
                {
                    "cites": [5],
                    "kind": "action",
                    "who": "Ines",
                    "text": "Ask for another quote",
                    "due": "before Monday",
                },
                {
                    "cites": [5],
                    "kind": "action",
                    "who": "Ines",
                    "text": "Send the plan to Paul",
                    "due": "",
                },
                {"cites": [6, 7], "kind": "question", "text": "Who keeps the keys?"},
            ),
        ),
        (
            "[8] Ines: Thank you Paul.\n"
            "[9] Ines: Is the room free on Thursday?\n"
            "[10] Paul: No, it is not free on Thursday.\n"
            "[11] Paul: Karim, can you tell the team?\n"
            "[12] Karim: Yes, I will do it tonight.",
            _answer(
                {"cites": [10], "kind": "point", "text": "The room is not free on Thursday."},
                {
                    "cites": [11, 12],
                    "kind": "action",
                    "who": "Karim",
                    "text": "Tell the team",
                    "due": "tonight",
                },
            ),
        ),
    ),
    summary=(
        "You are a clerk. These are the numbered items of a meeting. Write as JSON a short title "
        "and a summary of one to three sentences, in LANGUAGE. cites gives the numbers of the "
        "items that the sentence sums up. Use their words and invent nothing."
    ),
    summary_example=(
        "[1] The quote for the works of the car park is twelve thousand euros.\n"
        "[2] The works of the car park are postponed to March.\n"
        "[3] Ines: ask for another quote before Monday.\n"
        "[4] Who keeps the keys?",
        json.dumps(
            {
                "title": "Works of the car park",
                "summary": [
                    {
                        "cites": [1, 2],
                        "text": "The quote for the works of the car park is twelve thousand euros; "
                        "the works are postponed to March.",
                    },
                    {"cites": [3], "text": "Ines asks for another quote before Monday."},
                ],
            }
        ),
    ),
)
