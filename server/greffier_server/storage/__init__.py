"""What is kept: sessions and events in a database, audio in a journal on disk."""
