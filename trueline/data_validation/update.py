"""`update_schema`: a schema widened by what new data show."""

from __future__ import annotations

from typing import TYPE_CHECKING

from trueline.data_validation.judge import Controls, Terms, judge
from trueline.data_validation.validation import check_schema
from trueline.data_validation.views import dataset_view

if TYPE_CHECKING:
    from tensorflow_metadata.proto.v0 import schema_pb2, statistics_pb2

__all__ = ["update_schema"]


def update_schema(
    schema: schema_pb2.Schema,
    statistics: statistics_pb2.DatasetFeatureStatisticsList,
    max_string_domain_size: int = 100,
) -> schema_pb2.Schema:
    """The schema with every limit widened so that the data satisfy it; the schema given is left as it is.

    New columns are added with the number of their values (no shape), limits move to what was seen, values are added
    to domains, domains that outgrow `max_string_domain_size` are dropped, and required columns that the data lack are
    marked as deprecated. Constraints on the dataset as a whole stay.

    Raises:
        SchemaError: for arguments of another type, or several datasets without a default slice.
    """
    check_schema(schema)
    dataset = dataset_view(statistics)
    return judge(schema, dataset, Controls(), Terms(max_domain=max_string_domain_size, together=True)).schema
