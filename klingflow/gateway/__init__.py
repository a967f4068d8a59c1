"""What is said to a gateway and what its words mean.

PURE: outcomes.py (what a request can come to), replies.py (which outcome a reply is), payload.py
(what a reply's body and headers hold), failures.py (the kinds of failure), origin.py (addresses),
secret.py (takes the key out of texts).
I/O: access.py (where address and key are found), http.py (the only module that imports httpx),
download.py (one try at a video), mp4.py (is a video whole?).
"""
