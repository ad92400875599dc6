"""Lock a pipeline: every source of requirements, solved together, per step."""
