"""Names and terms a recogniser should expect: how they sound, and where they were said."""
