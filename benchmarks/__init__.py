"""Measurements of Greffier, repeatable by anyone: see README.md."""
