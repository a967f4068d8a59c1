"""The page on which people look at takes and choose: `review` serves it, `report` writes it down.

server.py serves it on loopback and writes picks, sessions.py says who may see it, watching.py tells
it of changes, report.py writes it as a folder. static/ is the page itself: page.html and page.css;
start.js, which the other scripts hand their functions to, in the order of page.html; words.js, its
Chinese.
"""
