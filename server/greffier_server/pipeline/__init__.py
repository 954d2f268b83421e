"""The async shell around the core: one session is one task group over one event log."""
