"""The main job as a user meets it: the command line against the sandbox over real HTTP, whose
ledger is the judge.
"""

from __future__ import annotations

import hashlib
import json
import signal
from collections.abc import Iterable
from pathlib import Path

import pytest

from klingflow.gateway.mp4 import check
from tests.harness import Pipeline, charges, pipeline_at, sandboxed
from tests.pictures import png


def test_a_batch_ends_with_videos_a_ledger_and_a_record(tmp_path: Path) -> None:
    """Every shot is charged once, its video plays, and ledger and record name its task and billed
    tier.
    """
    with sandboxed(tmp_path) as (film, sandbox):
        film.write(3)
        film.do("run", "film.yaml", "-y")
        billed = {c["task_id"]: c["tier"] for c in charges(sandbox)}
        assert len(billed) == 3
        assert {p["task_id"]: p["billed_tier"] for p in film.purchases()} == billed
        assert {s["task_id"]: s["billed_tier"] for s in film.record()["shots"]} == billed
        assert [p["state"] for p in film.purchases()] == ["done"] * 3
        assert [check(video) for video in film.videos()] == [None] * 3


def test_a_create_names_itself_for_whoever_must_find_it(tmp_path: Path) -> None:
    """The gateway is told the purchase's uid and the shot, so that a lost reply can be found."""
    with sandboxed(tmp_path) as (film, sandbox):
        film.write({"街道": {"prompt": "a quiet street"}})
        film.do("run", "film.yaml", "-y")
        (purchase,) = film.purchases()
        assert [c["client_request_id"] for c in charges(sandbox)] == [f"{purchase['uid']}/街道"]


def test_the_sandbox_takes_local_files(tmp_path: Path) -> None:
    """It needs no store: it serves them itself. A second run uploads nothing."""
    film = pipeline_at(tmp_path)
    (film.folder / "a.png").write_bytes(png())
    film.write({"a": {"prompt": "x", "image": "a.png"}, "b": {"prompt": "y", "image": "a.png"}})
    assert "no-store" not in film.do("run", "film.yaml", "--sandbox")
    (stored,) = (film.folder / ".klingflow" / "sandbox" / "refs").iterdir()
    assert stored.read_bytes() == png()
    assert "uploaded" not in film.do("run", "film.yaml", "--sandbox")


def test_a_local_file_without_a_store_is_said_once(tmp_path: Path) -> None:
    """The error alone: the warning of a plan would say the same before it."""
    with sandboxed(tmp_path) as (film, sandbox):
        (film.folder / "a.png").write_bytes(png())
        film.write({"a": {"prompt": "x", "image": "a.png"}})
        assert film.do("run", "film.yaml", "-y", code=2).count("no-store") == 1
        assert charges(sandbox) == []


def test_a_second_run_posts_nothing_and_a_lost_file_comes_back(tmp_path: Path) -> None:
    """What was bought is kept; a deleted video is fetched without a POST."""
    with sandboxed(tmp_path) as (film, sandbox):
        film.write(2)
        film.do("run", "film.yaml", "-y")
        film.do("run", "film.yaml", "-y")
        film.videos()[0].unlink()
        film.videos()[0].write_bytes(b"not what was bought")
        film.do("fetch", "film.yaml")
        assert len(charges(sandbox)) == 2
        assert [check(video) for video in film.videos()] == [None, None]


def test_every_video_that_was_paid_for_stays(tmp_path: Path) -> None:
    """Also those that others replaced. An earlier body brings its file back when no gateway is
    there any more; so does a folder whose name changes.
    """
    with sandboxed(tmp_path) as (film, sandbox):
        for prompt in ("one", "two", "three"):
            film.write({"a": {"prompt": prompt}})
            film.do("run", "film.yaml", "-y", "--rerun", "changed")
        assert len(charges(sandbox)) == len(film.purchases()) == 3
    bought = {p["attempt"]: p["sha256"] for p in film.purchases()}
    assert hashes(film.videos()) == {*bought.values()}
    film.write({"a": {"prompt": "one"}}, output="clips/{shot}.mp4")
    assert "its file moves to clips/a.mp4" in film.do("plan", "film.yaml", "-v")
    film.do("run", "film.yaml", "-y")
    assert hashes([tmp_path / "clips/a.mp4"]) == {bought[1]}
    assert hashes([tmp_path / "clips/a.mp4", *film.videos()]) == {*bought.values()}
    assert film.record()["shots"][0]["file"] == "clips/a.mp4"
    assert "all is well" in film.do("lock", "check", "film.yaml")


def hashes(videos: Iterable[Path]) -> set[str]:
    """The SHA-256 of each of the files."""
    return {hashlib.sha256(video.read_bytes()).hexdigest() for video in videos}


def test_what_somebody_did_to_a_video_stays(tmp_path: Path) -> None:
    """Each edit, however often the video is fetched again."""
    with sandboxed(tmp_path) as (film, sandbox):
        film.write(1)
        film.do("run", "film.yaml", "-y")
        video = film.videos()[0]
        for edit in (b"first edit", b"second edit"):
            video.write_bytes(edit)
            film.do("run", "film.yaml", "-y")
        assert len(charges(sandbox)) == 1
    edits = [video.with_name(f"{video.name}.{bak}") for bak in ("bak", "bak2")]
    assert [edit.read_bytes() for edit in edits] == [b"first edit", b"second edit"]
    assert check(video) is None


def test_two_episodes_of_one_name_are_refused(tmp_path: Path) -> None:
    """Before the second one buys: its record would be the first one's."""
    with sandboxed(tmp_path) as (film, sandbox):
        film.write(1, name="drama")
        film.do("run", "film.yaml", "-y")
        second = Pipeline(film.folder, film.environ, "ep2")
        second.write(1, name="drama")
        said = second.do("run", "ep2.yaml", "-y", code=2)
        assert "film.yaml and ep2.yaml both write outputs/drama/manifest.json" in said
        assert len(charges(sandbox)) == 1


def test_a_budget_bounds_the_film_over_all_its_runs(tmp_path: Path) -> None:
    """A doubt holds its money; the plan marks what is left out, a second run buys nothing more."""
    with sandboxed(tmp_path, "create:drop_after=first:1") as (film, sandbox):
        film.write(4, budget=5)
        assert film.do("plan", "film.yaml").count("left out, budget: 4.00 of 5.00 CNY") == 2
        film.do("run", "film.yaml", "-y", code=4)
        film.do("run", "film.yaml", "-y", code=4)
        assert len(charges(sandbox)) == 2
        held = "5.00 CNY: 2.00 CNY spent (1 purchase), 2.00 CNY in doubt (1 doubt), 1.00 CNY left"
        assert held in film.do("status", "film.yaml")
        film.do("resolve", "film.yaml", "shot001", "--abandon", "--not-charged")
        film.do("run", "film.yaml", "-y", code=3)
        assert len(charges(sandbox)) == 3
        assert film.data("plan", "film.yaml")["money"]["left"] == "1"


def test_run_status_and_record_name_one_figure_after_a_refund(tmp_path: Path) -> None:
    """And what was refunded."""
    with sandboxed(tmp_path, "query:fail_input=first:1") as (film, _):
        film.write(3, price_list={"failed_tasks": "refunded"})
        said = "4.00 CNY spent (2 purchases), 2.00 CNY refunded (1 task)."
        assert f"15 s of video: {said}" in film.do("run", "film.yaml", "-y", code=3)
        assert f"Money: {said}" in film.do("status", "film.yaml")
        record = film.record()
        assert record["totals"]["money"] == record["money"]["shares"]
        assert record["money"]["shares"]["refunded"]["amounts"] == {"CNY": "2"}


def test_prices_of_the_environment_are_the_users_alone(tmp_path: Path) -> None:
    """A `.env` sets none."""
    with sandboxed(tmp_path) as (film, _):
        film.write(1)
        mine = tmp_path.parent / "mine.yaml"
        mine.write_text("currency: EUR\ntiers: { '*': { per_request: 7 } }")
        (tmp_path / ".env").write_text(f"KLINGFLOW_PRICES={mine}\n")
        assert "2.00 CNY" in film.do("plan", "film.yaml")
        said = film.do("plan", "film.yaml", KLINGFLOW_PRICES=str(mine))
        assert "7.00 EUR" in said
        assert f"Prices: {mine}, which KLINGFLOW_PRICES names" in said


LOST_REPLIES = [
    "drop_after",
    "reset",
    "cut",
    "html502",
    "html504",
    "html524",
    "empty200",
    "html200",
    "cut_json200",
    "no_id",
]


@pytest.mark.parametrize("fault", LOST_REPLIES)
def test_a_reply_lost_after_the_charge_is_in_doubt_and_never_bought_again(
    tmp_path: Path, fault: str
) -> None:
    """One in doubt, exit 4, and no later run sends a second POST for it."""
    with sandboxed(tmp_path, f"create:{fault}=first:1") as (film, sandbox):
        film.write(3)
        assert "Bought in this run: 3 (1 perhaps), 15 s" in film.do(
            "run", "film.yaml", "-y", code=4
        )
        film.do("run", "film.yaml", "-y", code=4)
        film.do("run", "film.yaml", "-y", "--rerun", "failed", "--rerun", "changed", code=4)
        assert len(charges(sandbox)) == 3
        assert sorted(p["state"] for p in film.purchases()) == ["done", "done", "in_doubt"]


def test_pages_and_nothing_else_are_a_wrong_address(tmp_path: Path) -> None:
    """Three are perhaps bought, and the rest waits for the address to be looked at; one page is no
    such sign.
    """
    with sandboxed(tmp_path, "create:html200=1") as (film, sandbox):
        film.write(6)
        said = film.do("run", "film.yaml", "-y", code=4)
        assert "is the gateway's address (KLINGFLOW_BASE_URL) right?" in said
        assert [p["state"] for p in film.purchases()] == ["in_doubt"] * 3
        sandbox.set(faults=["create:html200=first:2"])
        film.do("run", "film.yaml", "-y", code=4)
        assert len(charges(sandbox)) == 6


def test_an_answer_with_anothers_id_is_kept_whole(tmp_path: Path) -> None:
    """What else stands in it may be the task's own id."""
    with sandboxed(tmp_path, "create:same_id=1") as (film, _):
        film.write(2)
        film.do("run", "film.yaml", "-y", code=4)
        doubt = next(p for p in film.purchases() if p["state"] == "in_doubt")
        assert doubt["evidence"]["answered_task_id"] in doubt["evidence"]["body"]
        assert doubt["evidence"]["status"] == 200


def test_resolve_with_a_task_id_adopts_the_purchase(tmp_path: Path) -> None:
    """A doubt whose task was found at the gateway is polled and downloaded, without a POST."""
    with sandboxed(tmp_path, "create:drop_after=first:1") as (film, sandbox):
        film.write(1)
        film.do("run", "film.yaml", "-y", code=4)
        film.do("resolve", "film.yaml", "shot001", "--task", charges(sandbox)[0]["task_id"])
        film.do("run", "film.yaml", "-y")
        assert len(charges(sandbox)) == 1
        assert [p["state"] for p in film.purchases()] == ["done"]


def test_a_shot_that_needs_another_is_adopted_once_that_is_bought(tmp_path: Path) -> None:
    """Its body, which its purchase is kept with, is known only then."""
    with sandboxed(tmp_path) as (film, _):
        clip = {"video": "${{ shots.chase.video_url }}", "reference_type": "feature"}
        film.write(
            {
                "chase": {"prompt": "a chase"},
                "wide": {"model": "kling-3.0-omni", "prompt": "x", "files": [clip]},
            }
        )
        assert "its body is not known" in film.do(
            "resolve", "film.yaml", "wide", "--task", "task_x", code=2
        )
        film.do("run", "film.yaml", "-y", "-s", "chase")
        film.do("resolve", "film.yaml", "wide", "--task", "task_x", "--force")
        chase, wide = film.purchases()
        assert chase["video_url"] in json.dumps(wide["body"])
        assert (wide["state"], wide["task_id"]) == ("submitted", "task_x")


def test_resolve_with_resubmit_buys_once_more(tmp_path: Path) -> None:
    """The user's word permits one more purchase, and only one."""
    with sandboxed(tmp_path, "create:drop_before=first:1") as (film, sandbox):
        film.write(1)
        film.do("run", "film.yaml", "-y", code=4)
        film.do("resolve", "film.yaml", "shot001", "--resubmit")
        film.do("run", "film.yaml", "-y")
        film.do("run", "film.yaml", "-y")
        assert len(charges(sandbox)) == 1
        assert sorted(p["state"] for p in film.purchases()) == ["abandoned", "done"]


def test_resolve_with_abandon_lets_the_shot_be(tmp_path: Path) -> None:
    """An abandoned doubt is not bought again until the user says so."""
    with sandboxed(tmp_path, "create:drop_after=first:1") as (film, sandbox):
        film.write(1)
        film.do("run", "film.yaml", "-y", code=4)
        film.do("resolve", "film.yaml", "shot001", "--abandon")
        film.do("run", "film.yaml", "-y", code=3)
        assert len(charges(sandbox)) == 1


def test_a_refused_key_ends_the_run_after_a_handful_of_requests(tmp_path: Path) -> None:
    """Exit 7, and neither the terminal nor a file shows the key."""
    with sandboxed(tmp_path, key="the-right-key") as (film, sandbox):
        film.write(50)
        said = film.do("run", "film.yaml", "-y", "--log", "run.jsonl", "-v", code=7)
        assert "refuse" in said
        assert charges(sandbox) == []
        posts = [
            e
            for e in (tmp_path / "run.jsonl").read_text().splitlines()
            if json.loads(e)["event"] == "intent"
        ]
        assert len(posts) <= 5
        kept = b"".join(path.read_bytes() for path in tmp_path.rglob("*") if path.is_file())
        assert "sk-test" not in said and b"sk-test" not in kept


def test_two_runners_on_one_manifest(tmp_path: Path) -> None:
    """The second says who holds the ledger and leaves with 11."""
    with sandboxed(tmp_path, task_time="1h") as (film, sandbox):
        film.write(2)
        first = film.start("run", "film.yaml", "-y")
        assert first.stdout
        for _ in ("the gateway", "a", "b"):  # then it has bought both
            first.stdout.readline()
        said = film.do("run", "film.yaml", "-y", code=11)
        assert str(first.pid) in said
        first.terminate()
        first.communicate(timeout=60)
        assert (first.returncode, len(charges(sandbox))) == (130, 2)


def test_ctrl_c_once_leaves_in_order_and_the_next_run_resumes(tmp_path: Path) -> None:
    """Exit 130, the ledger is folded, and nothing is bought twice."""
    with sandboxed(tmp_path, task_time="1s") as (film, sandbox):
        film.write(20, run={"max_running": 1})
        process = film.start("run", "film.yaml", "-y")
        assert process.stdout
        for _ in ("the gateway", "a shot"):
            process.stdout.readline()
        process.send_signal(signal.SIGINT)
        process.communicate(timeout=60)
        assert process.returncode == 130
        assert all(p["state"] in ("submitted", "succeeded", "done") for p in film.purchases())
        film.write(20)
        film.do("run", "film.yaml", "-y")
        assert len(charges(sandbox)) == 20


def test_ctrl_c_twice_leaves_at_once_and_loses_nothing(tmp_path: Path) -> None:
    """A POST whose reply had not come is in doubt afterwards; everything else is known."""
    with sandboxed(tmp_path, "create:hang=1,1h") as (film, sandbox):
        film.write(1)
        process = film.start("run", "film.yaml", "-y", "-v")
        assert process.stdout
        while "intent" not in process.stdout.readline():
            pass
        process.send_signal(signal.SIGINT)
        while "leaving" not in process.stdout.readline():
            pass
        process.send_signal(signal.SIGINT)
        process.communicate(timeout=240)
        assert process.returncode == 130
        assert film.data("status", "film.yaml")["shots"][0]["state"] == "in_doubt"
        assert len(charges(sandbox)) <= 1


def test_caps_are_reserved_before_the_post(tmp_path: Path) -> None:
    """With 2 CNY a shot, 5 CNY buy two; exit 8."""
    with sandboxed(tmp_path) as (film, sandbox):
        film.write(5)
        film.do("run", "film.yaml", "--max-spend", "5", code=8)
        assert len(charges(sandbox)) == 2
        film.do("run", "film.yaml", "--max-tasks", "1", code=8)
        assert len(charges(sandbox)) == 3


def test_nobody_to_ask(tmp_path: Path) -> None:
    """Without a terminal, spending needs -y or a cap."""
    with sandboxed(tmp_path) as (film, sandbox):
        film.write(1)
        assert "-y" in film.do("run", "film.yaml", code=2)
        assert charges(sandbox) == []


def test_no_gateway_is_explained(tmp_path: Path) -> None:
    """The error names the variable, the field and the sandbox."""
    film = pipeline_at(tmp_path)
    film.write(1)
    said = film.do("run", "film.yaml", "-y", code=2)
    assert all(word in said for word in ("KLINGFLOW_BASE_URL", "gateway.base_url", "--sandbox"))


def test_a_dependant_gets_the_address_of_what_it_waits_for(tmp_path: Path) -> None:
    """chase-wide is bought after chase, with the address of chase's video in its body."""
    with sandboxed(tmp_path) as (film, sandbox):
        film.write(
            {
                "wide": {
                    "model": "kling-3.0-omni",
                    "prompt": "the same, from afar",
                    "files": [
                        {"video": "${{ shots.chase.video_url }}", "reference_type": "feature"}
                    ],
                },
                "chase": {"prompt": "a chase over roofs"},
            }
        )
        film.do("run", "film.yaml", "-y")
        by_shot = {p["shot"]: p for p in film.purchases()}
        url = by_shot["wide"]["body"]["metadata"]["file_infos"][0]["url"]
        assert url == by_shot["chase"]["video_url"]
        film.do("run", "film.yaml", "-y")
        assert len(charges(sandbox)) == 2


def test_a_dependant_of_a_shot_with_takes_waits_for_its_first(tmp_path: Path) -> None:
    """It is bought in the same run, whichever take is finished first, and also where it needs two
    shots.
    """
    with sandboxed(tmp_path, task_time="lognormal:100ms,400ms") as (film, sandbox):
        reference = {"video": "${{ shots.chase.video_url }}", "reference_type": "feature"}
        wide = {
            "model": "kling-3.0-omni",
            "prompt": "from afar",
            "after": "other",
            "files": [reference],
        }
        film.write(
            {
                "wide": wide,
                "chase": {"takes": 4, "prompt": "a chase over roofs"},
                "other": {"prompt": "a quiet street"},
            }
        )
        film.do("run", "film.yaml", "-y")
        assert len(charges(sandbox)) == 6


def test_a_task_that_failed_for_want_of_capacity_is_bought_again_within_retries(
    tmp_path: Path,
) -> None:
    """`retries: 1` buys once more; other failures are never bought again by themselves."""
    with sandboxed(tmp_path, "query:fail_capacity=first:1") as (film, sandbox):
        film.write(2, run={"retries": 1})
        film.do("run", "film.yaml", "-y")
        assert len(charges(sandbox)) == 3
    with sandboxed(tmp_path / "other", "query:fail_moderation=first:1") as (film, sandbox):
        film.write(2, run={"retries": 1})
        film.do("run", "film.yaml", "-y", code=3)
        assert len(charges(sandbox)) == 2


def test_run_sandbox_needs_nothing_and_counts_nowhere_else(tmp_path: Path) -> None:
    """No key, no address: the purchases lie under .klingflow/sandbox, and the real plan still buys
    everything.
    """
    film = pipeline_at(tmp_path)
    film.write(2)
    film.do("run", "film.yaml", "--sandbox")
    assert not (tmp_path / "film.lock").exists()
    assert [v.relative_to(tmp_path).parts[:2] for v in film.videos()] == [
        ("outputs", "sandbox")
    ] * 2
    assert film.data("plan", "film.yaml")["counts"] == {"create": 2}
    assert film.data("plan", "film.yaml", "--sandbox")["counts"] == {"keep": 2}
    film.do("plan", "film.yaml", "--check", code=6)


def test_a_selection_by_state_means_the_same_shots_to_the_end(tmp_path: Path) -> None:
    """What a run was asked for is what its exit code is about, though their states have changed
    meanwhile.
    """
    with sandboxed(tmp_path, "query:fail_moderation=first:1") as (film, sandbox):
        film.write(2, run={"max_running": 1})
        film.do("run", "film.yaml", "-y", "-s", "state:new", code=3)
        film.do("run", "film.yaml", "-y", "-s", "state:failed", "--rerun", "failed")
        assert len(charges(sandbox)) == 3


def test_a_cap_is_said_also_where_something_is_bought_again(tmp_path: Path) -> None:
    """Exit 8, though what was bought before is kept."""
    with sandboxed(tmp_path) as (film, sandbox):
        film.write({"a": {"prompt": "a street"}})
        film.do("run", "film.yaml", "-y")
        film.write({"a": {"prompt": "another street"}})
        said = film.do("run", "film.yaml", "-y", "--rerun", "changed", "--max-spend", "1", code=8)
        assert "max_spend" in said
        assert len(charges(sandbox)) == 1


def test_a_reader_that_goes_away_changes_nothing(tmp_path: Path) -> None:
    """With stdout closed after a line, the run buys, downloads and says how it ended by its exit
    code.
    """
    with sandboxed(tmp_path, "create:drop_after=first:1") as (film, sandbox):
        film.write(5)
        with film.start("run", "film.yaml", "-y") as process:
            assert process.stdout
            process.stdout.readline()
            process.stdout.close()
            assert process.wait(60) == 4
        assert (len(charges(sandbox)), len(film.videos())) == (5, 4)


def test_quiet_says_why_an_exit_code_is_not_0(tmp_path: Path) -> None:
    """It is errors only, not silence: what is in doubt is named; where all is well there is nothing
    to say.
    """
    with sandboxed(tmp_path, "create:drop_after=first:1") as (film, _):
        film.write(1)
        assert film.do("run", "film.yaml", "-y", "-q", code=4).startswith(
            "film: shot001: in doubt: "
        )
        film.do("resolve", "film.yaml", "shot001", "--resubmit")
        assert film.do("run", "film.yaml", "-y", "-q") == ""
