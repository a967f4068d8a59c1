"""What may be asked of a manifest and its ledger, one module a question; each returns values and
prints nothing.

loading.py, planning.py, reporting.py and checking.py change nothing; running.py, resolving.py,
merging.py and pruning.py write the ledger; doctor.py looks at the machine. site.py says where a
manifest's ledger and videos lie, texts.py reads the files that a manifest names.
"""
