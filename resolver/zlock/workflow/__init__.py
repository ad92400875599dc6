"""The only place that wires the parts together: from a project folder to its locks, and from locks to verdicts."""
