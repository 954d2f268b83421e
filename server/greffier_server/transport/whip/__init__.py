"""WebRTC: browsers and studio software publish their microphones by WHIP (RFC 9725)."""
