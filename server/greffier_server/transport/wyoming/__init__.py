"""The Wyoming protocol of Home Assistant: events over plain TCP."""
