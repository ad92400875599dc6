"""ZenML: its pipelines as they stand, and what their images need."""
