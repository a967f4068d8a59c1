"""A doubt is shown with all that helps a person to settle it."""

from __future__ import annotations

from dataclasses import replace

from klingflow.ledger.lifecycle import advance
from klingflow.ledger.places import SANDBOX, site_at
from klingflow.manifest.tag import tagged
from klingflow.results.doubts import doubts
from tests.purchases import AT, LATER, found, intent


def test_a_doubt_is_told_with_all_that_finds_it() -> None:
    doubt = advance(
        intent("a", 2, uid="20260608-3f"), "doubted", AT, evidence={"from": AT, "to": LATER}
    )
    doubt = replace(doubt, body=tagged(doubt.body, doubt.uid))
    (said,) = doubts([doubt, found()], site_at("my film.yaml", origin=SANDBOX).command)
    assert (said["key"], said["from"], said["to"], said["tag"]) == (
        "a#2",
        AT,
        LATER,
        "klingflow-3f",
    )
    assert said["most"] == {"amount": "3.00", "currency": "CNY"}
    assert said["commands"]["task"] == "klingflow resolve 'my film.yaml' 'a#2' --sandbox --task ID"
    assert doubts([replace(doubt, price=None)], site_at("f.yaml").command)[0]["most"] is None
    witness = replace(doubt, evidence={"damaged": "{..."}, fingerprint="", body={})
    assert "damaged line" in doubts([witness], site_at("f.yaml").command)[0]["received"]
