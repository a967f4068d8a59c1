"""What a person types and sees.

cli.py and cli_lock.py parse, commands.py and lock_commands.py act, views.py and progress.py say
what tables and lines look like, console.py writes them so that every terminal can show them.
"""
