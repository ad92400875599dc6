"""What builds images: one small protocol, and an implementation for each engine."""
