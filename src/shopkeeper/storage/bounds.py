"""The greatest value of a text column that a data file's notes give: cut short, so its last sign is the next one.

What PyIceberg 0.12 takes for the sign behind U+D7FF is half of one (U+D800) and cannot be written: one such sign at the
place of the cut, in the greatest value of a file, would keep that row and all behind it out of the table.
"""

from typing import Final

import pyiceberg.io.pyarrow as writer
from pyiceberg.utils.truncate import truncate_upper_bound_text_string

__all__ = ["mend_bounds", "upper_bound"]

_NO_SIGN: Final = "\ud800"
_NEXT: Final = "\ue000"  # the first sign behind the halves


def upper_bound(value: str, length: int | None) -> str | None:
    """Gives a text of at most so many signs that is not below another, None where there is none."""
    found = truncate_upper_bound_text_string(value, length)
    return None if found is None else found.replace(_NO_SIGN, _NEXT)


def mend_bounds() -> None:
    """Has PyIceberg note bounds that can be written."""
    writer.truncate_upper_bound_text_string = upper_bound  # type: ignore[attr-defined, assignment]  # the same but for a name
