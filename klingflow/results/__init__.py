"""PURE: what came of it, as records for people and programs.

run_manifest.py (the record of a run), plan_data.py (a plan), saved_plan.py (a plan that is
kept and run once), account.py (the money of a film), ending.py (a run's exit code), doubts.py (what
is in doubt), undelivered.py (what else there is for a video that does not come), versions.py (the
videos of one take), why.py (what changed in a body), references.py (the images and videos that
shots name), arrived.py (what a video really is), timeline.py (the film as it is cut),
notice.py (what a finished run tells a chat), gallery.py (what the page of a film shows).
"""
