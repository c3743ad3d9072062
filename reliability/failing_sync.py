"""A disk whose syncs fail from some moment on: the writer stops, and nothing acknowledged hangs on what failed.

The writer is then started again on a disk that works, as its operator would, and the power is cut later still: pages
whose sync had failed look kept to the system, and a log that builds on them loses what it acknowledges afterwards.
"""

from collections.abc import Iterator
from pathlib import Path

from reliability.cuts import Cut, Recording, cut, recorded

__all__ = ["failing"]


def failing(
    folder: Path, kind: str, *, failing_from: int, seed: int, batches: int = 150, cuts: int = 3
) -> Iterator[tuple[int, Cut]]:
    """Records a writer whose syncs fail, then one that goes on where it stopped, and cuts the power in both.

    Args:
        folder: An empty folder.
        kind: Which log, of `kinds.KINDS`.
        failing_from: From so many syncs of a thread on, each fails.
        seed: Of moments and of what is left.
        batches: How many are sent each time.
        cuts: How many moments, each time; the last is the end.

    Returns:
        How many syncs failed once anything was sent, and what was found. (A log that fails while it is opened was
        never acknowledged from, and SQLite, in making it, asks some syncs twice.)
    """
    first = recorded(folder, kind, batches=batches, failing_from=failing_from, name="a")
    whats = [each.what for each in first.done]
    failed = whats[whats.index("said") :].count("failed sync") if "said" in whats else 0
    second = recorded(folder, kind, batches=batches, name="b")
    both = Recording(folder, [*first.done, *second.done])
    for each in cut(first, cuts=cuts, seed=seed):
        yield failed, each
    for each in cut(both, cuts=cuts, seed=seed, after=len(first.done)):
        yield failed, each
