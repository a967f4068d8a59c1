"""`python -m klingflow`."""

from klingflow.terminal.cli import main

main()
