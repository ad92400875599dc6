"""What is wrong with single steps, told once all else is: the others went on."""

from __future__ import annotations

from zlock.cli.layout import Screen
from zlock.redact import redact
from zlock.wording import listed
from zlock.workflow.project.report import Report


def end_with_failures(report: Report, screen: Screen) -> None:
    """End a command: name the steps that failed, in JSON each with the first line of its errors.

    Raises:
        ZlockError: What is wrong with them; several errors come as `Problems`.
    """
    steps = report.failures.of_steps
    failed = {step: dict.fromkeys(redact(str(error)) for error in errors) for step, errors in steps.items()}
    screen.json({"failed": [{"step": step, "errors": list(messages)} for step, messages in failed.items()]})
    if steps:
        screen.say(f"failed: {listed(steps)}")
    report.failures.problems.raise_if_any()
