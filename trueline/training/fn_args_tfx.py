"""What TFX's FnArgs holds, under TFX's names, for code that comes from there.

| TFX                                | here                                                                |
|------------------------------------|---------------------------------------------------------------------|
| ``train_files``, ``eval_files``    | paths of the Parquet shards of the transformed split                |
| ``transform_graph_path``           | the transform's folder                                              |
| ``transform_output``               | the same; ``fn_args.transform`` is it, loaded                       |
| ``schema_path``, ``schema_file``   | the raw data's ``schema.pbtxt``                                     |
| ``serving_model_dir``              | where a `run_fn` that returns None has written its model            |
| ``model_run_dir``                  | ``working_dir``: what is kept as the artifact ``model_run``         |
| ``train_steps``, ``eval_steps``    | from the pipeline file; None: as many as there are                  |
| ``data_accessor``                  | ``tf_dataset_factory`` and ``record_batch_factory`` over such files |
| ``base_model``                     | the loaded `Model`; TFX gives a path                                |
| ``num_examples``                   | rows of the training split that have a label                        |

The sources are TFX's ``trainer/fn_args_utils.py`` and its documentation.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import pyarrow as pa

    from trueline.engine.base import Dataset
    from trueline.training.split_data import SplitData

__all__ = ["DataAccessor", "TfxNames"]


class TfxNames:
    """Properties of `FnArgs` that give TFX's names to what is there."""

    train: SplitData
    eval: SplitData | None
    working_dir: str
    transform_output: str
    schema_path: str

    @property
    def train_files(self) -> list[str]:
        """The Parquet shards of the training split, in order; empty for rows in memory."""
        return _files(self.train.dataset)

    @property
    def eval_files(self) -> list[str]:
        """Those of the split to watch."""
        return [] if self.eval is None else _files(self.eval.dataset)

    @property
    def transform_graph_path(self) -> str:
        """The transform's folder."""
        return self.transform_output

    @property
    def schema_file(self) -> str:
        """`schema_path` by its older name."""
        return self.schema_path

    @property
    def model_run_dir(self) -> str:
        """`working_dir` by TFX's name."""
        return self.working_dir

    @property
    def num_examples(self) -> int:
        """Rows to train on."""
        return self.train.num_rows

    @property
    def data_accessor(self) -> DataAccessor:
        """Readers of `train_files` and `eval_files`."""
        return DataAccessor()


@dataclass(frozen=True)
class DataAccessor:
    """Readers of files of Examples by TFX's names; `SplitData` is what code written for this library uses."""

    def record_batch_factory(
        self, files: str | Sequence[str], options: Any = None, schema: Any = None
    ) -> Iterator[pa.RecordBatch]:
        """The rows of Parquet files as Arrow batches.

        Args:
            files: paths, such as `train_files`.
            options: its ``batch_size``, where it has one, is the largest number of rows of a batch.
            schema: not needed; the files have theirs.
        """
        rows = getattr(options, "batch_size", None)
        for batch in _dataset(files).batches():
            for start in range(0, batch.num_rows, rows or max(batch.num_rows, 1)):
                yield batch.slice(start, rows or batch.num_rows)

    def tf_dataset_factory(self, files: str | Sequence[str], options: Any, schema: Any = None) -> Any:
        """A ``tf.data.Dataset`` of dicts of columns; with ``options.label_key``, of (columns, label).

        Args:
            files: paths, such as `train_files`.
            options: ``batch_size`` and, where there, ``label_key``, ``shuffle``, ``shuffle_seed``, ``num_epochs``
                (None: without end), ``drop_final_batch``: TFX's ``TensorFlowDatasetOptions`` or any object like it.
            schema: not needed; the files have theirs.
        """
        from trueline.training.forms_tensorflow import dataset_of_columns

        return dataset_of_columns(_dataset(files), options)


def _dataset(files: str | Sequence[str]) -> Dataset:
    from trueline.engine.base import Dataset

    return Dataset.from_parquet(files if isinstance(files, str) else list(files))


def _files(dataset: Dataset) -> list[str]:
    return list(dict.fromkeys(block.uri for block in dataset.blocks if block.uri))
