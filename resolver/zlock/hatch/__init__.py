"""zlock in hatch and hatchling: a build hook, a PEP 517 backend and a locker; nothing else imports these two."""
