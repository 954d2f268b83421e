"""Kills, cuts and what they cost: the parts of ``python -m benchmarks.crash``."""
