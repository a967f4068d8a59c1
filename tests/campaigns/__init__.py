"""Campaigns: many shots, many faults, many kills, over real HTTP. The sandbox's own ledger is the
judge.

`pytest --long tests/campaigns` runs all of them in their long forms and ends with a table of their
figures; without `--long` they are short, and `-s` shows each one's line as it ends.
"""
