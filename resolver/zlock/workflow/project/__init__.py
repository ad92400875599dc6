"""The project of a run: its configuration, its steps and their sources, and what is reported."""
