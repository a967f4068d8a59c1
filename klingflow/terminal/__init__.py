"""What a person types and sees.

cli.py with cli_setup.py, cli_read.py, cli_run.py and cli_lock.py parse, by flags.py into options.py;
the four modules of commands act. manifests.py loads what a command names, target.py finds its
gateway. views.py and progress.py say what tables and lines look like, console.py writes them so
that every terminal can show them.
"""
