"""What the server sends out by itself: webhooks, and captions to a broker."""
