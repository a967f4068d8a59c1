"""Prints what the adaptive create rate and the learned polling come to, simulated: `python -m benchmarks.learning`."""

from __future__ import annotations

from klingflow.decide.pace import AdaptiveRate, Gcra
from tests.simulations import ALLOWED, creates, fixed_polls, learned_polls


def main() -> None:
    """Print both tables."""
    print("1,000 creates, the gateway's limit halves after 300")
    for name, pace in (("static bucket", Gcra(ALLOWED)), ("adaptive rate", AdaptiveRate(ALLOWED))):
        done = creates(pace)
        print(f"  {name:24}{done.refused:6} refusals {done.seconds:8.0f} s")
    done = creates(AdaptiveRate(ALLOWED), retry_after_s=1)
    print(f"  {'with Retry-After: 1':24}{done.refused:6} refusals {done.seconds:8.0f} s")
    print("lognormal tasks, median 90 s, p95 240 s")
    rows = {
        "every 10 s": fixed_polls(10),
        "every 15 s": fixed_polls(15),
        "learned": learned_polls(),
        "learned, honest progress": learned_polls(honest_progress=True),
    }
    for name, polls in rows.items():
        print(f"  {name:24}{polls.per_task:6.1f} polls    {polls.delay_s:8.1f} s median delay")


if __name__ == "__main__":
    main()
