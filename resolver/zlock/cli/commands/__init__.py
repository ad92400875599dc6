"""All commands, a module for each group of them."""

from zlock.cli.commands.explain import EXPLAIN
from zlock.cli.commands.images import IMAGES
from zlock.cli.commands.locks import LOCKS
from zlock.cli.commands.use import USE

COMMANDS = {command.name: command for command in (*LOCKS, *EXPLAIN, *USE, *IMAGES)}
"""By name, in the order of the help."""
