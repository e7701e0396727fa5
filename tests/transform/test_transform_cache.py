"""The analyzer cache: what is read, the same bits with and without it, what makes it miss, damaged entries."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
import user_analyzers_transform as own

import trueline.transform as tlt
from trueline._core.errors import TransformError
from trueline._core.values import raw_feature_of
from trueline.engine import Dataset, LocalEngine
from trueline.engine.tree import TreeMerge

ROWS = 400


class CountingEngine(LocalEngine):
    """Counts the rows of the datasets that it is asked to run over."""

    def __init__(self) -> None:
        super().__init__(workers=2)
        self.rows: list[int] = []

    def run(self, spec: Any, dataset: Any, columns: Any = None) -> Any:
        self.rows.append(dataset.num_rows)
        return super().run(spec, dataset, columns)


def span(number: int, rows: int | None = None) -> Dataset:
    rng = np.random.default_rng(number)
    n = ROWS + number if rows is None else rows
    table = pa.table(
        {
            "x": pa.array(rng.normal(number, 1.0, n), mask=rng.random(n) < 0.1),
            "s": pa.array([f"t{i}" for i in rng.integers(0, 5 + number, n)]),
        }
    )
    return Dataset.from_table(table, 64)


def spans(count: int) -> dict[str, Dataset]:
    return {f"span {i}": span(i) for i in range(count)}


def one_phase(x: Any) -> dict[str, Any]:
    return {
        "z": tlt.scale_to_z_score(x["x"]),
        "b": tlt.bucketize(x["x"], 4),
        "v": tlt.compute_and_apply_vocabulary(x["s"]),
        "r": x["x"] / tlt.analyzer(own.Range, x["x"]),
    }


def two_phases(x: Any) -> dict[str, Any]:
    return {"b": tlt.bucketize(tlt.scale_to_z_score(x["x"]), 4)}


def graph_of(function: Any) -> Any:
    return tlt.trace(function, [raw_feature_of(f) for f in span(0).arrow_schema])


def rows_read(function: Any, data: Any, cache: tlt.AnalyzerCache | None = None) -> tuple[list[int], str]:
    """Rows of each pass, and the hash of what came out."""
    engine = CountingEngine()
    output = tlt.analyze(graph_of(function), data, engine, cache)
    return engine.rows, output.content_hash


def test_a_new_span_is_all_that_is_read(tmp_path: Path) -> None:
    first, _ = rows_read(one_phase, spans(3), tlt.AnalyzerCache(tmp_path))
    assert first == [ROWS, ROWS + 1, ROWS + 2]
    cache = tlt.AnalyzerCache(tmp_path)
    second, with_cache = rows_read(one_phase, spans(4), cache)
    assert second == [ROWS + 3]
    assert (cache.hits, cache.misses) == (3, 1)
    without, bits = rows_read(one_phase, spans(4))
    assert without == [ROWS, ROWS + 1, ROWS + 2, ROWS + 3]
    assert bits == with_cache
    assert rows_read(one_phase, spans(4), tlt.AnalyzerCache(tmp_path)) == ([], bits)


def test_spans_may_come_and_go(tmp_path: Path) -> None:
    """A rolling window: the first span leaves, a new one comes; only that one is read."""
    everything = spans(5)
    rows_read(one_phase, dict(list(everything.items())[:4]), tlt.AnalyzerCache(tmp_path))
    window = dict(list(everything.items())[1:])
    read, bits = rows_read(one_phase, window, tlt.AnalyzerCache(tmp_path))
    assert read == [ROWS + 4]
    assert bits == rows_read(one_phase, window)[1]


def test_later_phases_depend_on_all_spans(tmp_path: Path) -> None:
    """The second phase reads z-scores, whose mean a new span changes: there all spans are read, as upstream."""
    rows_read(two_phases, spans(2), tlt.AnalyzerCache(tmp_path))
    assert rows_read(two_phases, spans(2), tlt.AnalyzerCache(tmp_path))[0] == []
    read, bits = rows_read(two_phases, spans(3), tlt.AnalyzerCache(tmp_path))
    assert read == [ROWS + 2, ROWS, ROWS + 1, ROWS + 2]
    assert bits == rows_read(two_phases, spans(3))[1]


def test_without_keys_the_bits_are_the_same() -> None:
    by_key, in_order = spans(3), list(spans(3).values())
    assert rows_read(one_phase, by_key)[1] == rows_read(one_phase, in_order)[1]
    alone = span(0)
    assert rows_read(one_phase, alone)[1] == rows_read(one_phase, [alone])[1] == rows_read(one_phase, {"a": alone})[1]


def test_spans_give_the_vocabulary_of_all_rows() -> None:
    tables = [pa.Table.from_batches(d.batches()) for d in spans(3).values()]
    together = tlt.analyze(graph_of(one_phase), Dataset.from_table(pa.concat_tables(tables)), LocalEngine(workers=1))
    apart = tlt.analyze(graph_of(one_phase), spans(3), LocalEngine(workers=1))
    assert apart.vocabulary_by_name("vocab_s") == together.vocabulary_by_name("vocab_s")


def test_data_may_be_left_out_where_the_cache_holds_it(tmp_path: Path) -> None:
    _, bits = rows_read(one_phase, spans(3), tlt.AnalyzerCache(tmp_path))
    gone: dict[str, Dataset | None] = dict.fromkeys(spans(3))
    assert rows_read(one_phase, gone, tlt.AnalyzerCache(tmp_path)) == ([], bits)
    with pytest.raises(TransformError, match=r"no states of 'span 3' for phase 1"):
        rows_read(one_phase, {**gone, "span 3": None}, tlt.AnalyzerCache(tmp_path))
    with pytest.raises(TransformError, match=r"no data for 'span 0', 'span 1', 'span 2', and no cache"):
        rows_read(one_phase, gone)


def test_other_analyzers_or_parameters_miss(tmp_path: Path) -> None:
    def finer(x: Any) -> dict[str, Any]:
        return {"b": tlt.bucketize(x["x"], 9), "h": tlt.histogram(x["x"], [0.0, 1.0, 2.0])[0]}

    def other(x: Any) -> dict[str, Any]:
        return {"b": tlt.bucketize(x["x"], 9), "h": tlt.histogram(x["x"], [0.0, 1.0, 3.0])[0]}

    data = spans(1)
    assert rows_read(finer, data, tlt.AnalyzerCache(tmp_path))[0] == [ROWS]
    assert rows_read(other, data, tlt.AnalyzerCache(tmp_path))[0] == [ROWS]
    assert rows_read(finer, data, tlt.AnalyzerCache(tmp_path))[0] == []


def test_notes_and_unused_columns_do_not_matter(tmp_path: Path) -> None:
    """The same function on other lines, with another output name, and read off the state in another way: all hits."""

    def again(x: Any) -> dict[str, Any]:
        return {"y": tlt.bucketize(x["x"], 4)}

    def later(x: Any) -> dict[str, Any]:

        return {"other": tlt.bucketize(x["x"], 7)}

    rows_read(again, spans(1), tlt.AnalyzerCache(tmp_path))
    assert rows_read(later, spans(1), tlt.AnalyzerCache(tmp_path))[0] == []


def test_changed_user_code_misses(tmp_path: Path, monkeypatch: Any) -> None:
    from trueline.transform.cache import phase_hash
    from trueline.transform.phases import _Phase

    def hash_now() -> str:
        graph = graph_of(lambda x: {"y": x["x"] / tlt.analyzer("ranges_of_mine:Range", x["x"])})
        index = next(i for i, n in enumerate(graph.nodes) if n.is_analyzer)
        phase = _Phase.of(graph, {}, [index])
        return phase_hash(phase.graph, phase.states)

    code = Path(own.__file__).read_text()
    (tmp_path / "ranges_of_mine.py").write_text(code)
    monkeypatch.syspath_prepend(str(tmp_path))
    before = hash_now()
    assert hash_now() == before
    (tmp_path / "ranges_of_mine.py").write_text(code.replace("/ self.unit", "/ self.unit * 1.0"))
    assert hash_now() != before


def entries(folder: Path) -> list[Path]:
    return sorted(folder.glob("*/*.state"))


def damages() -> Iterator[Any]:
    yield lambda data: data[:-1]
    yield lambda data: data[:-9] + bytes([data[-9] ^ 1]) + data[-8:]
    yield lambda data: b""
    yield lambda data: b"{" * 100_000
    yield lambda data: b'{"format": 2}' + data[data.index(b"\n") :]
    yield lambda data: data.replace(b"span 0", b"span 7", 1)


@pytest.mark.parametrize("damage", list(damages()))
def test_a_damaged_entry_is_read_from_data_and_written_again(tmp_path: Path, damage: Any) -> None:
    _, bits = rows_read(one_phase, spans(1), tlt.AnalyzerCache(tmp_path))
    (entry,) = entries(tmp_path)
    whole = entry.read_bytes()
    entry.write_bytes(damage(whole))
    assert rows_read(one_phase, spans(1), tlt.AnalyzerCache(tmp_path)) == ([ROWS], bits)
    assert entry.read_bytes() == whole
    assert not [p for p in tmp_path.rglob("*") if p.is_file() and p != entry]


def test_an_earlier_cache_is_looked_into_and_left_alone(tmp_path: Path) -> None:
    """The new folder holds what was used, and nothing else; the old one stays as it was."""
    rows_read(one_phase, spans(3), tlt.AnalyzerCache(tmp_path / "old"))
    before = {p: p.read_bytes() for p in entries(tmp_path / "old")}
    window = dict(list(spans(4).items())[1:])
    read, _ = rows_read(one_phase, window, tlt.AnalyzerCache(tmp_path / "new", [tmp_path / "old"]))
    assert read == [ROWS + 3]
    assert len(entries(tmp_path / "new")) == 3
    assert {p: p.read_bytes() for p in entries(tmp_path / "old")} == before


def test_a_cache_in_another_store() -> None:
    _, bits = rows_read(one_phase, spans(2), tlt.AnalyzerCache("memory://analyzer-cache"))
    assert rows_read(one_phase, spans(2), tlt.AnalyzerCache("memory://analyzer-cache")) == ([], bits)


def test_many_spans_hold_few_states(monkeypatch: Any) -> None:
    """70 spans: never more than log2 of them at a time."""
    most = Counter[str]()
    add = TreeMerge.add

    def counting(self: Any, position: int, state: Any) -> None:
        add(self, position, state)
        most["held"] = max(most["held"], self.held)

    monkeypatch.setattr(TreeMerge, "add", counting)
    data = {str(i): span(i, 3) for i in range(70)}
    tlt.analyze(graph_of(one_phase), data, LocalEngine(workers=1))
    assert 1 < most["held"] <= 7


def test_wrong_uses() -> None:
    cache = tlt.AnalyzerCache("memory://never-written")
    with pytest.raises(TransformError, match="a cache needs a key for each dataset"):
        rows_read(one_phase, [span(0)], cache)
    with pytest.raises(TransformError, match="there is no dataset to analyse"):
        rows_read(one_phase, {})
    lacking = Dataset.from_table(pa.table({"x": [1.0]}))
    with pytest.raises(TransformError, match=r"the dataset 'b' lacks columns that analyzers read: s"):
        rows_read(one_phase, {"a": span(0), "b": lacking})


def test_a_later_phase_hits_where_nothing_it_reads_has_changed(tmp_path: Path) -> None:
    """A new span inside the known range changes neither minimum nor maximum: the histogram's pass reads it alone."""

    def ranged(x: Any) -> dict[str, Any]:
        return {"p": tlt.estimated_probability_density(x["x"], 9)}

    wide = {"wide": Dataset.from_table(pa.table({"x": [-100.0, 100.0] * 30, "s": ["a"] * 60}))}
    rows_read(ranged, wide, tlt.AnalyzerCache(tmp_path))
    both = {**wide, "span 0": span(0)}
    read, bits = rows_read(ranged, both, tlt.AnalyzerCache(tmp_path))
    assert read == [ROWS, ROWS]
    assert bits == rows_read(ranged, both)[1]
