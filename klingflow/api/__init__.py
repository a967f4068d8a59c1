"""What may be asked of a manifest and its ledger, one module a question; each returns values and
prints nothing.

loading.py, planning.py, reporting.py, gallery.py (what the page of a film shows) and checking.py
change nothing; running.py with settling.py,
resolving.py, merging.py, moving.py, lineages.py and pruning.py write the ledger, picking.py the
picks; doctor.py looks at the machine and, with ignored.py, at what git keeps. saving.py writes and
reads saved plans, schemas.py has the JSON Schemas.
site.py says where a manifest's ledger and videos lie, state.py where the user's state folder is,
texts.py reads the files that a manifest names, workbooks.py the sheets among them, stills.py looks
at the images and videos among them, nearby.py says which file was meant where one is missing,
connecting.py opens the gateway, claiming.py the store of claims, telling.py what it
is told of a person's word, stores.py chooses the store of
local references, references.py lists, uploads and checks all of them. cutting.py exports the film
as it stands, workshop.py puts what it made in its place, notifying.py tells a chat how a run ended.

working.py is a host of a cluster, clusters.py a run there with following.py and hearing.py (which
hosts are heard of), and what is said to its desk; cluster_place.py says which cluster is meant,
cluster_doctor.py looks at server, store and hosts, cluster_demo.py starts all of them for a trial.

beginning.py writes the files of a new pipeline, shot_lists.py makes its manifest of a spreadsheet.

films.py knows the other ledgers of a film: its own, and those of its drafts. own_names.py refuses a
log or a saved plan the name of a file of klingflow's.

What a run has to be allowed: approval.py (the key at an address), links.py (writing through a
link), apart.py (files that another manifest may have), preparing.py (all that is asked for last,
right before the first thing is written).
"""
