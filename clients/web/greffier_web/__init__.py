"""Browser pages as package data."""
