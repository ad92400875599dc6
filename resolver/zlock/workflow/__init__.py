"""The only place that wires the parts together: from a project folder to its locks, and from locks to verdicts."""

from zlock.workflow.checking import check
from zlock.workflow.locking import resolve
from zlock.workflow.report import Report, StepReport
from zlock.workflow.workspace import Options

__all__ = ["Options", "Report", "StepReport", "check", "resolve"]
