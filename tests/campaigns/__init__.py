"""Campaigns: many shots, many faults, many kills, over real HTTP. The sandbox's own ledger is the judge; each prints
its figures on one line (`pytest -s`). Short by default, long with `--long`."""
