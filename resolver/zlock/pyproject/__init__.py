"""A `pyproject.toml` as its tools read it: where its dependencies come from, and the workspace it belongs to."""
