"""What a pipeline and its steps ask for: docker settings, in Python and in TOML."""
