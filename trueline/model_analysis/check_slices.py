"""Problems of slicing specs, and whether a spec can find anything among the slices that are made."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from trueline._core.errors import TruelineError, did_you_mean
from trueline.model_analysis.config import CrossSlicingSpec, EvalConfig, SlicingSpec
from trueline.model_analysis.slice_buckets import bucket_names, bucket_problems
from trueline.model_analysis.slice_parts import KeyPart, spec_columns, spec_parts

__all__ = ["could_cross", "could_give", "cross_problems", "slice_problems"]


def slice_problems(config: EvalConfig, columns: Sequence[str] | None) -> list[str]:
    """The problems of all slicing specs, those of cross-slicing specs included."""
    problems = [p for spec in config.slices for p in _spec_problems(spec, columns)]
    return problems + _values_and_buckets(config.slices)


def cross_problems(config: EvalConfig) -> list[str]:
    """Cross-slicing specs that compare a slice with itself alone."""
    return [
        f"cross slice {str(cross.baseline_spec)!r} would be compared with itself"
        for cross in config.cross_slicing_specs
        if any(spec == cross.baseline_spec and _one_slice(spec) for spec in cross.slicing_specs)
    ]


def _one_slice(spec: SlicingSpec) -> bool:
    return not spec.feature_keys and not spec.buckets and not spec.slice_keys_sql


def _spec_problems(spec: SlicingSpec, columns: Sequence[str] | None) -> list[str]:
    where = f"slice {str(spec)!r}"
    fields = ("feature_keys", "feature_values", "buckets")
    problems = [
        f"{where}: {name!r} stands in {first} and {second}"
        for first, second in ((fields[0], fields[1]), (fields[0], fields[2]), (fields[1], fields[2]))
        for name in sorted(set(getattr(spec, first)) & set(getattr(spec, second)))
    ]
    problems += [f"{where}: buckets of {name!r}: {p}" for name, b in spec.buckets.items() for p in bucket_problems(b)]
    if spec.slice_keys_sql and spec != SlicingSpec(slice_keys_sql=spec.slice_keys_sql):
        problems.append(f"{where}: slice_keys_sql stands alone; write the other parts as specs of their own")
    try:
        read = spec_columns([spec])
    except TruelineError as error:
        place = f"{error.where}: " if error.where else ""
        return [*problems, f"{where}: {place}{error.message}", *(f"{where}: {p}" for p in error.problems)]
    if columns is not None:
        shown = [c for c in columns if not c.startswith("__")]
        problems += [
            f"{where}: the data has no column {name!r}. {did_you_mean(name, shown)}"
            for name in read
            if name not in columns
        ]
    return problems


def _values_and_buckets(specs: Sequence[SlicingSpec]) -> list[str]:
    """A column that is sliced by values and by buckets: their slices could not be told apart by their keys."""
    bucketed = {name for spec in specs for name in spec.buckets}
    plain = {name for spec in specs for name in (*spec.feature_keys, *spec.feature_values)}
    return [
        f"slicing_specs slice {name!r} by its values and by buckets, whose keys cannot be told apart; "
        f"write one of them as expressions, such as {name!r} < 10"
        for name in sorted(bucketed & plain)
    ]


def could_cross(configured: CrossSlicingSpec, wanted: CrossSlicingSpec) -> bool:
    """Whether a configured cross-slicing spec makes pairs that the wanted one describes."""
    if not could_give(configured.baseline_spec, wanted.baseline_spec):
        return False
    if not configured.slicing_specs or not wanted.slicing_specs:
        return True
    return all(any(could_give(c, w) for c in configured.slicing_specs) for w in wanted.slicing_specs)


def could_give(configured: SlicingSpec, wanted: SlicingSpec) -> bool:
    """Whether a configured spec makes slices that the wanted spec matches; not so where one is not understood."""
    try:
        made, asked = spec_parts(configured), spec_parts(wanted)
    except TruelineError:
        return False
    by_name = {key.name: key for key in asked.keys}
    if {key.name for key in made.keys} != set(by_name) or made.expression != asked.expression:
        return False
    return all(_could_give(key, by_name[key.name]) for key in made.keys)


def _could_give(made: KeyPart, asked: KeyPart) -> bool:
    if made.bounds is not None:
        if bucket_problems(made.bounds) or (asked.bounds is not None and bucket_problems(asked.bounds)):
            return False
        return any(asked.matches(name) for name in bucket_names(made.bounds))
    if asked.bounds is not None:
        return False
    if made.value is None or asked.value is None:
        return True
    return any(asked.matches(value) for value in _meant(made.value))


def _meant(text: str) -> Iterator[str | float]:
    """The values that a spec's text may mean."""
    yield text
    try:
        yield float(text)
    except ValueError:
        return
