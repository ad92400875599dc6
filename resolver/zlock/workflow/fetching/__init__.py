"""What locks install, fetched or built and kept as files."""
