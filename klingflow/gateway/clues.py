"""PURE. What in an answer to a create may lead a person to its task: texts that stand where an id
would, and headers with an address.

Nothing of it is believed: it stands with a purchase in doubt, for the person who looks it up. So
the whole answer is searched, whatever it is: a page, JSON that was cut, an answer that is no HTTP.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from itertools import islice

from klingflow.gateway.payload import clean

MOST_NAMES = 20
MOST_HEADERS = 5

# What stands between a name and its value in JSON, in JSON inside JSON, in pages and in addresses.
_BETWEEN = r"[\\\"'\s:=>]{1,12}"
# The surest first: an id by the form that the gateway's document shows, by a name that says whose
# it is, and any other that has a digit, as words have none.
_NAMES = (
    re.compile(r"(?<![0-9A-Za-z])task_[0-9A-Za-z_-]{6,250}"),
    re.compile(rf"(?i)(?:task|video|job)[_-]?id{_BETWEEN}([0-9A-Za-z_.:~+=/-]{{4,256}})"),
    re.compile(rf"(?i)(?<![0-9a-z_-])id{_BETWEEN}((?=\D{{0,99}}\d)[0-9A-Za-z_.:~+=/-]{{6,256}})"),
)
_LEADS = re.compile(r"location|(?:task|video|job|operation)[_-]?(?:id|url)?\Z")


def names_in(text: str) -> list[str]:
    """Return the texts in an answer that may be ids of tasks, at most `MOST_NAMES`."""
    return list(islice(dict.fromkeys(_named(text)), MOST_NAMES))


def _named(text: str) -> Iterator[str]:
    for pattern in _NAMES:
        for found in pattern.finditer(text):
            yield found[found.lastindex or 0]


def leads_in(headers: Mapping[str, str]) -> dict[str, str]:
    """Return the headers that may say where a task is, as `location` and `x-task-id` do, cleaned;
    at most `MOST_HEADERS`.
    """
    found = ((name, value) for name, value in headers.items() if value and _LEADS.search(name))
    return {name[:40]: clean(value) for name, value in islice(found, MOST_HEADERS)}
