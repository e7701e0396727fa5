"""Every operation on rows that hypothesis makes, and shrinks where the interpreters disagree."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pyarrow as pa
import pytest
from helpers_agreement import Agreement
from helpers_rows import strategy_of
from helpers_transform import TYPES, all_cases
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

CASES = all_cases()
NAMES = [f"{op}-{'-'.join(types)}-{i}" for i, (op, types, _) in enumerate(CASES)]


@pytest.mark.slow
@pytest.mark.parametrize(("op", "types", "function"), CASES, ids=NAMES)
def test_onnx_equals_oracle_on_any_rows(op: str, types: tuple[str, ...], function: Callable[..., Any]) -> None:
    schema = pa.schema([(f"x{i}", TYPES[t]) for i, t in enumerate(types)])
    agreement = Agreement(op, function, schema, optional=True)

    @settings(max_examples=8, deadline=None, suppress_health_check=list(HealthCheck))
    @given(st.lists(st.tuples(*(strategy_of(op, t, optional=True) for t in types)), max_size=16))
    def check(rows: list[tuple[Any, ...]]) -> None:
        columns = [pa.array([r[i] for r in rows], field.type) for i, field in enumerate(schema)]
        agreement.check(pa.table(columns, schema=schema))

    check()
