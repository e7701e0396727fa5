"""Views of statistics: slices, features and custom statistics by name; duplicates are refused, absences are None."""

from __future__ import annotations

from typing import Any

import pyarrow as pa
import pytest
from tensorflow_metadata.proto.v0 import statistics_pb2

from trueline._core.errors import SchemaError
from trueline.data_validation import DatasetListView, generate_statistics
from trueline.engine import LocalEngine
from trueline.schema import FeaturePath


def _stats() -> Any:
    struct = pa.array([{"k": 1}, {"k": 2}, None])
    table = pa.table({"n": [1, 2, None], "s": ["a", "b", "c"], "st": struct})
    return generate_statistics(table, engine=LocalEngine(1))


def test_features_are_found_by_path() -> None:
    statistics = _stats()
    dataset = DatasetListView(statistics).get_default_slice_or_die()
    assert dataset.num_examples == 3
    assert list(dataset.list_features()) == [FeaturePath(p) for p in (("n",), ("s",), ("st",), ("st", "k"))]
    n, s, st, k = (dataset.get_feature(p) for p in ("n", "s", "st", ("st", "k")))
    assert n is not None and s is not None and st is not None and k is not None  # noqa: PT018
    assert [f.type for f in (n, s, st, k)] == ["INT", "STRING", "STRUCT", "INT"]
    assert (n.num_present(), n.num_missing()) == (2, 1)
    numeric, text = n.numeric_statistics(), s.string_statistics()
    assert numeric is not None
    assert numeric.max == 2
    assert text is not None
    assert text.unique == 3
    assert n.string_statistics() is n.bytes_statistics() is n.struct_statistics() is None
    assert st.struct_statistics() is not None
    assert k.proto() is k.message
    assert k.feature_path() == FeaturePath(("st", "k"))
    assert dataset.get_feature("gone") is None


def test_custom_statistics_by_name() -> None:
    statistics = _stats()
    feature = statistics.datasets[0].features[0]
    feature.custom_stats.add(name="c", num=2)
    dataset = DatasetListView(statistics).get_default_slice_or_die()
    view = dataset.get_feature("n")
    assert view is not None
    found = view.custom_statistic("c")
    assert found is not None
    assert found.num == 2
    assert view.custom_statistic("d") is None
    feature.custom_stats.add(name="c", num=3)
    with pytest.raises(SchemaError, match="2 custom statistics 'c'"):
        view.custom_statistic("c")


def test_entries_with_custom_statistics_alone_are_features() -> None:
    statistics = _stats()
    statistics.datasets[0].features.add().path.step.append("sparse")
    view = DatasetListView(statistics).get_default_slice_or_die().get_feature("sparse")
    assert view is not None
    assert view.common_statistics() is None
    assert view.num_present() == 0


def test_slices() -> None:
    statistics = _stats()
    view = DatasetListView(statistics)
    assert list(view.list_slices()) == [""]
    statistics.datasets.add(name="a")
    assert view.get_default_slice() is None
    with pytest.raises(SchemaError, match="no default slice"):
        view.get_default_slice_or_die()
    statistics.datasets[0].name = "All Examples"
    default, part = view.get_default_slice(), view.get_slice("a")
    assert default is not None
    assert part is not None
    assert (default.name, part.name) == ("All Examples", "a")
    assert view.get_slice("b") is None
    statistics.datasets.add(name="a")
    with pytest.raises(SchemaError, match="2 slices 'a'"):
        view.get_slice("a")
    with pytest.raises(SchemaError, match="a DatasetFeatureStatisticsList is needed, got str"):
        DatasetListView("x")


def test_features_of_one_path_are_refused() -> None:
    statistics = _stats()
    statistics.datasets[0].features.add().CopyFrom(statistics.datasets[0].features[0])
    dataset = DatasetListView(statistics).get_default_slice_or_die()
    with pytest.raises(SchemaError, match="2 features 'n'"):
        dataset.get_feature("n")
    assert dataset.get_feature("s") is not None


def test_derived_and_crossed_features() -> None:
    statistics = _stats()
    dataset = statistics.datasets[0]
    source = dataset.features[0].validation_derived_source
    source.deriver_name = "d"
    source.source_path.add().step.append("s")
    view = DatasetListView(statistics).get_default_slice_or_die()
    derived = view.get_derived_feature("d", ["s"])
    assert derived is not None
    assert derived.path == FeaturePath(("n",))
    assert view.get_derived_feature("d", ["n"]) is None
    cross = statistics_pb2.CrossFeatureStatistics(count=3)
    cross.path_x.step.append("n")
    cross.path_y.step.append("s")
    dataset.cross_features.append(cross)
    assert list(view.list_cross_features()) == [(FeaturePath(("n",)), FeaturePath(("s",)))]
    found = view.get_cross_feature("n", "s")
    assert found is not None
    assert found.proto().count == 3
    assert view.get_cross_feature("s", "n") is None
    dataset.cross_features.append(cross)
    with pytest.raises(SchemaError, match="twice"):
        view.get_cross_feature("n", "s")
