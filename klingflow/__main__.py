"""`python -m klingflow`."""

from klingflow.cli import main

main()
