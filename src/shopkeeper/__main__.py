"""`python -m shopkeeper`: the command, where no script is installed."""

from shopkeeper.cli.main import entry

entry()
