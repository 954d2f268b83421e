"""Pure logic: no clock, no socket, no task; time comes from the audio."""
