"""Dictionary arrays: texts as places among words."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    import pyarrow as pa

__all__ = ["distinct_codes", "used_codes"]

Places = npt.NDArray[Any]


def used_codes(array: pa.DictionaryArray) -> tuple[pa.Array, Places]:
    """The words that occur (a null word where rows are missing) and each row's place among them.

    A reader's dictionary may hold many more words than a batch uses; a word that it holds twice stays twice.
    """
    import pyarrow as pa

    indices, words = array.indices, array.dictionary
    if indices.null_count:  # a null word behind the others
        words = pa.concat_arrays([words, pa.nulls(1, words.type)])
        indices = indices.fill_null(len(words) - 1)
    codes = indices.to_numpy(zero_copy_only=False)
    used = np.zeros(len(words), np.bool_)
    used[codes] = True
    if not used.all():
        places = np.cumsum(used) - 1
        words, codes = words.filter(pa.array(used)), places[codes]
    return words, codes


def distinct_codes(array: pa.Array) -> tuple[pa.Array, Places]:
    """The distinct values of an array without nulls, each once, and each row's place among them."""
    import pyarrow as pa

    if not pa.types.is_dictionary(array.type):
        found = array.dictionary_encode()
        return found.dictionary, found.indices.to_numpy(zero_copy_only=False)
    words, codes = used_codes(array)
    once = words.dictionary_encode()
    if len(once.dictionary) == len(words):
        return words, codes
    return once.dictionary, once.indices.to_numpy(zero_copy_only=False)[codes]
