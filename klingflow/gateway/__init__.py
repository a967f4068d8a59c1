"""What is said to a gateway and what its words mean.

PURE: outcomes.py (what a request can come to), replies.py and failures.py (which of them a reply
is), origin.py (addresses), secret.py (where the key must not be).
I/O: http.py (the only module that imports httpx), download.py, mp4.py (is a video whole), key.py
(where key and address come from).
"""
