"""The only place that wires the parts together: from a project folder to its locks, and from locks to verdicts."""

from zlock.workflow.project.report import Report, StepReport
from zlock.workflow.project.workspace import Options
from zlock.workflow.solving.check import check
from zlock.workflow.solving.resolve import resolve

__all__ = ["Options", "Report", "StepReport", "check", "resolve"]
