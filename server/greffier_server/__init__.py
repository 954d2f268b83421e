"""The Greffier server: sessions, their journal and log, captions, translations and minutes."""
