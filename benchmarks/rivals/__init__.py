"""Other live transcription servers, measured beside ours through their own protocols."""
