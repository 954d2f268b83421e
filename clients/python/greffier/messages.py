"""What the command line says, in English and in French."""

import os
from collections.abc import Mapping

__all__ = ["LANGUAGES", "Messages", "language_of"]

LANGUAGES = ("en", "fr")


class Messages:
    """The table in one language: ``say("key", name=value)``."""

    def __init__(self, language: str) -> None:
        self.language = language if language in LANGUAGES else "en"
        self._column = LANGUAGES.index(self.language)

    def __call__(self, key: str, **values: object) -> str:
        """Return the text of `key` with `values` filled in; an unknown key is a programming error.

        Raises:
            KeyError: no such text.
        """
        text = _TABLE[key][self._column]
        return text.format_map(values) if values else text


def language_of(environment: Mapping[str, str] = os.environ) -> str:
    """Return the interface language that the locale asks for (POSIX order of variables)."""
    for name in ("LC_ALL", "LC_MESSAGES", "LANG"):
        value = environment.get(name)
        if value:
            code = value.split(".")[0].split("_")[0].lower()
            return code if code in LANGUAGES else "en"
    return "en"


_TABLE: dict[str, tuple[str, str]] = {
    # --- help ---
    "help.glossary": (
        "Terms of all your sessions: heard, written and translated your way.",
        "Termes de toutes vos sessions : reconnus, écrits et traduits à votre manière.",
    ),
    "help.glossary-import": (
        "Add the terms of FILE: CSV, TBX or JSON.",
        "Ajouter les termes de FILE : CSV, TBX ou JSON.",
    ),
    "help.glossary-export": ("Write the terms as a file.", "Écrire les termes dans un fichier."),
    "help.glossary-list": ("Show the terms.", "Afficher les termes."),
    "help.glossary-format": (
        "Format of the file. Default: by its ending.",
        "Format du fichier. Par défaut : selon son extension.",
    ),
    "help.glossary-source": (
        "Language of the terms looked for, where a TBX file does not say it.",
        "Langue des termes recherchés, si un fichier TBX ne l'indique pas.",
    ),
    "help.glossary-replace": (
        "In place of all terms there are.",
        "À la place de tous les termes existants.",
    ),
    "glossary.format": (
        "The file's ending is not .csv, .tbx or .json; give --format.",
        "L'extension du fichier n'est ni .csv, ni .tbx, ni .json ; indiquez --format.",
    ),
    "glossary.imported": (
        "{received} terms read; the glossary has {total}.",
        "{received} termes lus ; le glossaire en compte {total}.",
    ),
    "glossary.none": ("The glossary is empty.", "Le glossaire est vide."),
    "help.greffier": (
        "Live captions, translations and cited minutes, on your own machines.",
        "Sous-titres en direct, traductions et comptes rendus sourcés, sur vos propres machines.",
    ),
    "help.epilog": (
        "Exit codes: 0 done, 1 failed, 2 wrong usage, 3 server unreachable or refused, "
        "130 interrupted.",
        "Codes de sortie : 0 réussi, 1 échec, 2 mauvais usage, 3 serveur injoignable ou refus, "
        "130 interrompu.",
    ),
    "help.lang": ("Language of the interface.", "Langue de l'interface."),
    "help.version": ("Show the version and exit.", "Afficher la version et quitter."),
    "help.help": ("Show this message and exit.", "Afficher cette aide et quitter."),
    "help.transcribe": (
        "Transcribe recordings: subtitles, text or JSON.",
        "Transcrire des enregistrements : sous-titres, texte ou JSON.",
    ),
    "help.listen": (
        "Caption the microphone live, then show the minutes. Ctrl-C ends the session.",
        "Sous-titrer le microphone en direct, puis afficher le compte rendu. "
        "Ctrl-C termine la session.",
    ),
    "help.stream": (
        "Play a recording as if it were live. FILE may be - for raw PCM on standard input.",
        "Jouer un enregistrement comme en direct. FILE peut être - : PCM brut sur l'entrée "
        "standard.",
    ),
    "help.watch": (
        "Follow a session live, or read a stored one from its start.",
        "Suivre une session en direct, ou relire une session enregistrée.",
    ),
    "help.minutes": ("Show the minutes of a session.", "Afficher le compte rendu d'une session."),
    "help.sessions": ("List the sessions of the server.", "Lister les sessions du serveur."),
    "help.export": (
        "Export the captions of a session, or one of its translations.",
        "Exporter les sous-titres d'une session, ou l'une de ses traductions.",
    ),
    "help.document-kind": (
        "compte-rendu, proces-verbal, releve-de-decisions, main-courante, sitrep, summary, digest, "
        "email or transcript.",
        "compte-rendu, proces-verbal, releve-de-decisions, main-courante, sitrep, summary, digest, "
        "email ou transcript.",
    ),
    "help.document-language": ("Language of the document.", "Langue du document."),
    "help.marking": (
        "Classification marking on each page.",
        "Mention de protection sur chaque page.",
    ),
    "help.every": ("Length of a digest's stretches.", "Durée des tranches du kind digest."),
    "help.sources": (
        "Add the passages that sentences rest on.",
        "Ajouter les passages sur lesquels reposent les phrases.",
    ),
    "error.binary": (
        "{form} is not text: name a file with --output",
        "{form} n'est pas du texte : nommez un fichier avec --output",
    ),
    "help.ask": (
        "Ask what was said in a session: the answer cites its passages, or says there is none. "
        "With --all, SESSION is left out and every session is asked.",
        "Demander ce qui a été dit dans une session : la réponse cite ses passages, ou dit qu'il "
        "n'y en a pas. Avec --all, sans SESSION, toutes les sessions sont interrogées.",
    ),
    "help.attach": (
        "Attach an agenda or a briefing to a session: PDF, DOCX, Markdown or text. Its names are "
        "listened for, and the minutes go by its points.",
        "Joindre un ordre du jour ou une note à une session : PDF, DOCX, Markdown ou texte. Ses "
        "noms sont reconnus, et le compte rendu en suit les points.",
    ),
    "help.attach-option": (
        "Agenda or briefing for the session (PDF, DOCX, Markdown, text); may be repeated.",
        "Ordre du jour ou note pour la session (PDF, DOCX, Markdown, texte) ; répétable.",
    ),
    "help.attach-as": (
        "What it is; auto: an agenda if its name or a heading says so.",
        "Ce que c'est ; auto : un ordre du jour si son nom ou un titre le dit.",
    ),
    "help.who": ("Your name, for the record.", "Votre nom, pour la trace."),
    "attach.done": (
        "{number}. {name}: {terms} names and abbreviations, {points} points of agenda.",
        "{number}. {name} : {terms} noms et sigles, {points} points d'ordre du jour.",
    ),
    "attach.not-reached": (
        "The server was not reached yet: attach the documents with greffier attach later.",
        "Le serveur n'a pas encore été joint : joignez les documents plus tard avec greffier "
        "attach.",
    ),
    "help.synthesis": (
        "Several sessions in one report: what was decided in the end, what became of actions.",
        "Plusieurs sessions en un seul rapport : ce qui est décidé au bout du compte, où en sont "
        "les actions.",
    ),
    "help.report-title": ("Title of the report.", "Titre du rapport."),
    "error.synthesis": ("name two sessions or more", "nommez au moins deux sessions"),
    "help.redo": (
        "Write the minutes anew from the corrected text; done behind live work.",
        "Réécrire le compte rendu d'après le texte corrigé ; fait après le travail en direct.",
    ),
    "minutes.queued": (
        "The minutes are being written anew.",
        "Le compte rendu est en cours de réécriture.",
    ),
    "help.ask-all": ("Ask all sessions.", "Interroger toutes les sessions."),
    "help.ask-language": ("Language of the answer.", "Langue de la réponse."),
    "ask.not-said": ("That was not said.", "Cela n'a pas été dit."),
    "ask.unheard": ("Nobody spoke of: {words}", "Personne n'a parlé de : {words}"),
    "ask.unverified": ("unverified", "non vérifié"),
    "error.ask": (
        "name a session and a question, or --all and a question",
        "indiquer une session et une question, ou --all et une question",
    ),
    "help.second-pass": (
        "Have the recording of a session read again when the server is idle.",
        "Faire relire l'enregistrement d'une session quand le serveur est libre.",
    ),
    "help.second-minutes": (
        "Write the minutes anew from the second reading.",
        "Rédiger à nouveau le compte rendu d'après la seconde lecture.",
    ),
    "help.status": ("Only show what became of it.", "Montrer seulement ce qu'il en est."),
    "help.revision": (
        "The live text, or the second reading; the second where there is one.",
        "Le texte du direct, ou la seconde lecture ; la seconde quand elle existe.",
    ),
    "help.forward": (
        "Send what earlier sessions kept in the spool DIR while the server was out of reach.",
        "Envoyer ce que des sessions ont gardé dans DIR pendant que le serveur était injoignable.",
    ),
    "help.spool": (
        "Keep the audio in this folder until the server has it, however long the link is down.",
        "Garder le son dans ce dossier jusqu'à ce que le serveur l'ait, si longue que soit la "
        "coupure.",
    ),
    "help.spool-limit": (
        "Megabytes that the spool may take; audio beyond is left out, as a gap.",
        "Mégaoctets permis dans ce dossier ; au-delà, le son est omis et devient une lacune.",
    ),
    "help.spool-key": (
        "Encrypt what is kept with the key in this file: 32 random bytes in base64.",
        "Chiffrer ce qui est gardé avec la clé de ce fichier : 32 octets aléatoires en base64.",
    ),
    "help.spool-passphrase": (
        "Encrypt what is kept with a passphrase; it is asked for, or read from "
        "GREFFIER_SPOOL_PASSPHRASE.",
        "Chiffrer ce qui est gardé avec une phrase secrète, demandée ou lue dans "
        "GREFFIER_SPOOL_PASSPHRASE.",
    ),
    "prompt.passphrase": ("Passphrase", "Phrase secrète"),
    "error.two-secrets": (
        "give --spool-key or a passphrase, not both",
        "donnez --spool-key ou une phrase secrète, pas les deux",
    ),
    "help.pace": (
        "At most so many times faster than real time.",
        "Au plus tant de fois plus vite que le temps réel.",
    ),
    "help.anew": (
        "Send the rest as new sessions: the server no longer knows those that were begun.",
        "Envoyer le reste comme nouvelles sessions : le serveur ne connaît plus les premières.",
    ),
    "help.delete": (
        "Delete a session and everything kept of it.",
        "Supprimer une session et tout ce qui en est conservé.",
    ),
    "help.server": (
        "Server address, ws://host:port or wss://host.",
        "Adresse du serveur, ws://hôte:port ou wss://hôte.",
    ),
    "help.server-or-local": (
        "Server address; without one, this machine transcribes.",
        "Adresse du serveur ; sans elle, cette machine transcrit.",
    ),
    "help.token": ("API token.", "Jeton d'accès."),
    "help.language": (
        "Language of the speech (ISO 639-1), or auto.",
        "Langue parlée (ISO 639-1), ou auto.",
    ),
    "help.channels": (
        "What the channels are: one sound (mix), or each a speaker of its own (separate).",
        "Ce que sont les canaux : un même son (mix), ou chacun un locuteur (separate).",
    ),
    "help.speaker": (
        "Name of a channel's speaker, with --channels separate; repeat it in order of channels.",
        "Nom du locuteur d'un canal, avec --channels separate ; à répéter dans l'ordre des canaux.",
    ),
    "help.translate": (
        "Translate into this language; may be repeated.",
        "Traduire dans cette langue ; option répétable.",
    ),
    "help.profile": (
        "Kind of audio, for the detector of speech; the server's setting when absent.",
        "Nature du son, pour le détecteur de parole ; à défaut, le réglage du serveur.",
    ),
    "help.with-minutes": (
        "Write minutes at the end.",
        "Rédiger un compte rendu à la fin.",
    ),
    "help.format": ("Format of the result.", "Format du résultat."),
    "help.output": (
        "File to write to, or a folder for several; standard output when absent.",
        "Fichier à écrire, ou dossier pour plusieurs ; sortie standard par défaut.",
    ),
    "help.output-file": (
        "File to write to; standard output when absent.",
        "Fichier à écrire ; sortie standard par défaut.",
    ),
    "help.save": (
        "Folder for captions, transcript, translations and minutes.",
        "Dossier pour les sous-titres, la transcription, les traductions et le compte rendu.",
    ),
    "help.title": ("Title of the session.", "Titre de la session."),
    "help.fast": ("As fast as the server takes it.", "Aussi vite que le serveur l'accepte."),
    "help.device": ("Microphone, by name or number.", "Microphone, par nom ou numéro."),
    "help.rate": (
        "Sample rate of raw PCM from standard input.",
        "Fréquence d'échantillonnage du PCM brut de l'entrée standard.",
    ),
    "help.after": ("Only events after this one.", "Seulement les événements après celui-ci."),
    "help.export-language": (
        "Export the translation into this language.",
        "Exporter la traduction dans cette langue.",
    ),
    "help.yes": ("Do not ask.", "Ne pas demander."),
    # --- live ---
    "live.live": ("live", "direct"),
    "live.finishing": ("finishing", "fin en cours"),
    "live.reading": ("reading", "lecture"),
    "live.lag": ("lag {seconds} s", "retard {seconds} s"),
    "live.reconnecting": (
        "connection lost, attempt {attempt} in {seconds} s",
        "connexion perdue, essai {attempt} dans {seconds} s",
    ),
    "live.gap": ("no audio: {cause}", "pas de son : {cause}"),
    "live.withheld": ("not printed: {reason}", "non imprimé : {reason}"),
    "live.stop-hint": ("Ctrl-C to finish", "Ctrl-C pour terminer"),
    "live.longer-hops": ("busy: slower updates", "charge : mises à jour espacées"),
    "live.finals-only": ("busy: whole sentences only", "charge : phrases entières seulement"),
    "live.saved": ("Saved to {folder}:", "Enregistré dans {folder} :"),
    "live.not-kept": (
        "{seconds} s of audio found no room on this machine's disk: a gap in the record",
        "{seconds} s de son n'ont pas trouvé place sur le disque : une lacune dans la trace",
    ),
    "forward.none": ("Nothing is waiting.", "Rien n'est en attente."),
    "forward.done": ("Sent {name}: {session}", "{name} envoyé : {session}"),
    "live.session": ("session {session}", "session {session}"),
    # --- minutes ---
    "minutes.minutes": ("Minutes", "Compte rendu"),
    "minutes.summary": ("Summary", "Résumé"),
    "minutes.topics": ("Topics", "Sujets abordés"),
    "minutes.decisions": ("Decisions", "Décisions"),
    "minutes.actions": ("Actions", "Actions"),
    "minutes.questions": ("Open questions", "Questions ouvertes"),
    "minutes.figures": ("Figures", "Chiffres"),
    "minutes.annex": ("Annex", "Annexe"),
    "minutes.due": ("due {due}", "échéance : {due}"),
    "minutes.unverified": ("unverified", "non vérifié"),
    "minutes.none": ("This session has no minutes.", "Cette session n'a pas de compte rendu."),
    "transcript.transcript": ("Transcript", "Transcription"),
    # --- results and questions ---
    "sessions.none": ("No session.", "Aucune session."),
    "second-pass.queued": (
        "Queued: {session} is read again when no session is live.",
        "En file : {session} sera relue quand aucune session ne sera en cours.",
    ),
    "second-pass.none": (
        "{session} was not read a second time, or not yet.",
        "{session} n'a pas été relue, ou pas encore.",
    ),
    "second-pass.failed": (
        "{session} could not be read again ({code}).",
        "{session} n'a pas pu être relue ({code}).",
    ),
    "second-pass.done": (
        "{session}: {words} words; segments changed {changed}, added {added}, "
        "not heard again {unconfirmed}.",
        "{session} : {words} mots ; segments modifiés {changed}, ajoutés {added}, "
        "non réentendus {unconfirmed}.",
    ),
    "delete.confirm": ("Delete session {session}?", "Supprimer la session {session} ?"),
    "delete.done": ("Deleted {session}.", "Session {session} supprimée."),
    # --- errors ---
    "error": ("Error", "Erreur"),
    "error.interrupted": ("Interrupted.", "Interrompu."),
    "error.extra": (
        'needs: pip install "greffier[{extra}]"',
        'nécessite : pip install "greffier[{extra}]"',
    ),
    "error.plugin": (
        "cannot be loaded: its package fails to import ({cause})",
        "ne peut être chargée : son paquet ne s'importe pas ({cause})",
    ),
    "error.local": (
        'transcribing on this machine needs: pip install "greffier[server,whisper]"; '
        "or name a server with --server",
        'transcrire sur cette machine nécessite : pip install "greffier[server,whisper]" ; '
        "ou indiquez un serveur avec --server",
    ),
    "error.one-stream": (
        "subtitles of several files or languages, or with minutes, need --output FOLDER "
        "or --format json",
        "des sous-titres de plusieurs fichiers ou langues, ou avec compte rendu, demandent "
        "--output DOSSIER ou --format json",
    ),
    "error.same-name": (
        "{name} would be written twice; give another --output",
        "{name} serait écrit deux fois ; donnez un autre --output",
    ),
    "error.address": (
        "not a server address; write ws://host:port",
        "adresse de serveur incorrecte ; écrivez ws://hôte:port",
    ),
    "error.speakers": (
        "names channels; add --channels separate",
        "nomme des canaux ; ajoutez --channels separate",
    ),
    "error.write": ("cannot write {path}: {cause}", "impossible d'écrire {path} : {cause}"),
    # --- errors of the client, by code ---
    "code.connection_lost": (
        "the connection to the server broke and could not be taken up again",
        "la connexion au serveur a été perdue et n'a pu être reprise",
    ),
    "code.authentication_failed": (
        "the server did not accept the token; give it with --token or GREFFIER_TOKEN",
        "le serveur n'a pas accepté le jeton ; donnez-le avec --token ou GREFFIER_TOKEN",
    ),
    "code.authentication_required": (
        "the server wants a token; give it with --token or GREFFIER_TOKEN",
        "le serveur demande un jeton ; donnez-le avec --token ou GREFFIER_TOKEN",
    ),
    "code.session_not_found": ("no such session", "session introuvable"),
    "code.audio_kept": (
        "the server has not got {seconds} s of the recording yet; they are kept: "
        "greffier forward {folder}",
        "le serveur n'a pas encore {seconds} s de l'enregistrement ; elles sont gardées : "
        "greffier forward {folder}",
    ),
    "code.server_busy": (
        "the server has no room for another session; try again later",
        "le serveur n'a plus de place pour une session ; réessayez plus tard",
    ),
}
