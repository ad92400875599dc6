"""From locks to images: planned, built, found and verified."""
