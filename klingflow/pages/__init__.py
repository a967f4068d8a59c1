"""The page on which people look at takes and choose: `review` serves it, `report` writes it down.

server.py serves it on loopback and writes picks, sessions.py says who may see it, watching.py tells
it of changes, posters.py keeps the pictures of videos, report.py writes the page as a folder.

static/ is the page itself: page.html, page.css and classic scripts that page.html names in their
order, because a page from disk may load no modules. words.js is its Chinese.
"""
