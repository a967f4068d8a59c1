"""What a person types and sees.

cli.py with the other modules `cli_….py` parses, by flags.py into options.py; the modules
`…_commands.py` act. manifests.py loads what a command names, target.py finds its gateway, bounds.py
says what it may buy. views.py, plan_views.py, plan_table.py, status_views.py, pick_views.py,
doubt_views.py, result_views.py and money.py say what tables look like; progress.py with tally.py
and live.py shows a run as it happens, bars.py other work; linked.py and elsewhere.py ask a person
before a run buys; console.py, with layout.py for widths, paint.py for colours and clock.py for
times, writes all of it so that every terminal can show it; streams.py ends what is written.
completing.py answers a shell at TAB.
"""
