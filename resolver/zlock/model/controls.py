"""The characters that end lines, or tell a terminal what to do."""

CONTROLS = r"\x00-\x1f\x7f-\x9f\u2028\u2029"
"""What Python, TOML, requirements files or terminals take for the end of a line, and what they can't show; for `[]`."""
