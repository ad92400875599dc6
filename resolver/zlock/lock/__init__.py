"""The lock: one PEP 751 file per step, what zlock knows beyond it, and how it is kept whole."""
