"""When the answer for a person may change without anything new: a window that a line leaves, an absence that ripens."""

from shopkeeper.segment.live import LiveAudience
from shopkeeper.segment.view import View

__all__ = ["next_change"]


def next_change(audience: LiveAudience, view: View, steps: int = 8) -> int | None:
    """Gives an instant before which the answer stays as it is unless something new is known of the person.

    Between two edges no condition of the audience can change. The edges are walked while the answer stays the same, so
    that most timers that ring have something to say.

    Args:
        audience: The audience.
        view: The person at the present instant.
        steps: Edges to look beyond at most.

    Returns:
        Microseconds since 1970, after the view's instant and never after the next change; None when time alone changes
        nothing.
    """
    at = audience.edge(view)
    if at is None or steps == 0:
        return at
    present = audience.holds(view)
    for _ in range(steps):
        then = view.at(at)
        if audience.holds(then) is not present:
            return at
        following = audience.edge(then)
        if following is None:
            return None
        at = following
    return at
