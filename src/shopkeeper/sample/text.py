"""Ids as Arrow text, made from numbers without a Python loop."""

import numpy as np
import numpy.typing as npt
import pyarrow as pa

__all__ = ["Ints", "cut", "numbered", "words"]

Ints = npt.NDArray[np.integer]

_WIDTH = 16
_FOUR = np.array([b"%04d" % number for number in range(10_000)], "S4").view(np.uint32)


def numbered(prefixes: npt.NDArray[np.bytes_], numbers: Ints) -> npt.NDArray[np.void]:
    """Writes ids of 16 bytes: four letters and twelve digits.

    Args:
        prefixes: One prefix of four bytes an id, or one for all.
        numbers: The numbers, 0 up to 10¹² − 1.
    """
    high, low = np.divmod(np.asarray(numbers, np.int64), 10_000)
    top, middle = np.divmod(high, 10_000)
    parts = np.empty((len(low), 4), np.uint32)
    parts[:, 0] = np.asarray(prefixes, "S4").view(np.uint32)
    parts[:, 1], parts[:, 2], parts[:, 3] = _FOUR[top], _FOUR[middle], _FOUR[low]
    return parts.view("V16").ravel()


def words(ids: npt.NDArray[np.void], present: npt.NDArray[np.bool_] | None = None) -> pa.Array:
    """Gives fixed-width ids as an Arrow string array.

    Args:
        ids: The ids that are present, in order.
        present: Which rows of the array have one; all when not given.
    """
    if present is None:
        offsets = np.arange(len(ids) + 1, dtype=np.int32) * np.int32(_WIDTH)
        return pa.Array.from_buffers(pa.string(), len(ids), [None, pa.py_buffer(offsets), pa.py_buffer(ids)])
    offsets = np.zeros(len(present) + 1, np.int32)
    np.cumsum(present, out=offsets[1:])
    offsets *= _WIDTH
    validity = pa.py_buffer(np.packbits(present, bitorder="little"))
    return pa.Array.from_buffers(pa.string(), len(present), [validity, pa.py_buffer(offsets), pa.py_buffer(ids)])


def cut(
    indices: Ints | npt.NDArray[np.bool_], values: pa.Array, absent: npt.NDArray[np.bool_] | None = None
) -> pa.DictionaryArray:
    """Gives a column of few different values as places in the list of them, empty where `absent`."""
    places = pa.array(np.asarray(indices, np.int32), mask=absent)
    return pa.DictionaryArray.from_arrays(places, values, safe=False)
