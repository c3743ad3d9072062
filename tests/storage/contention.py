"""What holds of any catalog when two processes write one table."""

from collections.abc import Callable

from shopkeeper.storage.lake import Lake
from tests.storage.processes import go, output, writers

__all__ = ["appends_land_once", "one_replace_wins"]

Ids = Callable[[], list[str]]


def appends_land_once(lake: Lake, ids: Ids, *, times: int) -> None:
    """Each of two appends so many rows; all are there once."""
    before = ids()
    with writers(lake, ("append", "x", str(times)), ("append", "y", str(times))) as both:
        go(*both)
        said = [each for process in both for each in output(process)]
    assert len(said) == 2 * times
    assert ids() == sorted([*before, *said])


def one_replace_wins(lake: Lake, ids: Ids) -> None:
    """Two replace what they read before; one is first, the other redoes it, and its rows stay."""
    with writers(lake, ("replace", "x"), ("replace", "y")) as both:
        go(*both)
        tries = dict([output(process) for process in both])  # type: ignore[arg-type]
    assert sorted(tries.values()) == ["1", "2"]
    assert ids() == [next(name for name, count in tries.items() if count == "2")]
