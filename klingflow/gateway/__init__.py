"""What is said to a gateway and what its words mean.

PURE: outcomes.py (which outcomes a request has), create_replies.py and query_replies.py (which
outcome the reply to a create, or to a query, is), naming.py (which task it names), clues.py (what
leads a person to its task), fitting.py (does one fit the route?), payload.py (what a reply's body
and headers hold), wording.py (what an error in it means), quotes.py (which words of it are the
shot's own), failures.py (the kinds of failure), phrases.py (how their words are found), packing.py
(gzip and deflate), origin.py (the gateway's address), video_address.py (a video's), secret.py
(takes the key out of texts).

I/O: access.py (where address and key are found), env_file.py (one `.env`), http.py (the three
routes, and where the key may go), transport.py (one request, every failure as a value; the only
module that imports httpx), http11.py (requests on one connection), tcp.py (its bytes), reading.py
(a reply's head and body), environment.py (proxies and certificates), unlogged.py (keeps the key out
of a debug log), awake.py (a deadline that a stopped process does not miss), download.py (one try at
a video), mp4.py (is a video whole?).
"""
