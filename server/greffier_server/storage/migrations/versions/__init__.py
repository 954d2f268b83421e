"""One file a revision; each has ``upgrade(op)`` and names the revision before it."""
