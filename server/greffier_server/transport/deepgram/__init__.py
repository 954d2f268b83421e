"""Deepgram's ``/v1/listen``: a session as Deepgram's clients speak and read it."""
