"""Locks against what their steps ask for now."""
