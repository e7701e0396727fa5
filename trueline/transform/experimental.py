"""TensorFlow Transform's namespace ``experimental``: the same names here are no less stable than all others."""

from __future__ import annotations

from trueline._core.errors import did_you_mean
from trueline.transform.column import Column
from trueline.transform.guard import guarded
from trueline.transform.mappers_approximate import approximate_vocabulary as _approximate
from trueline.transform.mappers_approximate import compute_and_apply_approximate_vocabulary as _compute_and_apply
from trueline.transform.mappers_documents import document_frequency as _document_frequency
from trueline.transform.mappers_documents import idf as _idf
from trueline.transform.tracer import current_tracer
from trueline.transform.vocabulary_names import clean_name

__all__ = [
    "approximate_vocabulary",
    "compute_and_apply_approximate_vocabulary",
    "document_frequency",
    "get_vocabulary_size_by_name",
    "idf",
]

approximate_vocabulary = guarded(_approximate)
compute_and_apply_approximate_vocabulary = guarded(_compute_and_apply)
document_frequency = guarded(_document_frequency)
idf = guarded(_idf)


@guarded
def get_vocabulary_size_by_name(vocab_filename: str) -> Column:
    """How many tokens a vocabulary of this preprocessing function has, reserved ones included: a constant int64.

    It is known after the analysis. An empty vocabulary has size 0 (TensorFlow Transform: 1, for its placeholder).

    Args:
        vocab_filename: the name that the vocabulary was given before.

    Raises:
        TransformError: there is no such vocabulary so far, or this is called outside a preprocessing function.
    """
    tracer = current_tracer()
    known = {str(n.attrs["name"]): i for i, n in enumerate(tracer.nodes) if n.is_analyzer and "name" in n.attrs}
    name = clean_name(vocab_filename)
    if name not in known:
        raise tracer.error(f"there is no vocabulary {vocab_filename!r} so far", did_you_mean(name, known))
    return tracer.op("table_size", Column(tracer, known[name]))
