"""Local text encoders: a folder with ``model.onnx`` and a WordPiece vocabulary, run with ONNX Runtime."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from functools import lru_cache
from typing import Any

import numpy as np
import numpy.typing as npt

from trueline._core import store
from trueline._core.errors import ModelError
from trueline._core.manifest import file_sha256
from trueline._core.runtime import make_session
from trueline.transform.wordpiece import WordPiece, read_wordpiece

__all__ = ["Encoder", "encoder_sha256", "open_encoder"]

_MODEL = "model.onnx"
_FILES = (_MODEL, "model.onnx_data", "model.onnx.data", "vocab.txt", "tokenizer.json", "tokenizer_config.json")
_INPUTS = ("input_ids", "attention_mask", "token_type_ids")


def encoder_sha256(folder: str) -> str:
    """One digest over the files that make an encoder's vectors: the graph, its weights, its tokeniser.

    Raises:
        ModelError: without a ``model.onnx``.
    """
    if not store.exists(store.join(folder, _MODEL)):
        raise ModelError(
            f"there is no {_MODEL}", where=folder, hint="an encoder's folder holds model.onnx and vocab.txt."
        )
    present = [name for name in _FILES if store.exists(store.join(folder, name))]
    lines = [f"{name} {file_sha256(store.join(folder, name))}\n" for name in present]
    return hashlib.sha256("".join(lines).encode()).hexdigest()


class Encoder:
    """Texts to vectors.

    Args:
        folder: a local folder.
    """

    def __init__(self, folder: str) -> None:
        self.folder = folder
        self.tokenizer: WordPiece = read_wordpiece(folder)
        # by its path, because weights may lie in files beside it
        self._session = make_session(str(store.local_path(folder) / _MODEL))
        self._inputs = [i.name for i in self._session.get_inputs()]
        unknown = [n for n in self._inputs if n not in _INPUTS]
        if unknown or "input_ids" not in self._inputs:
            raise ModelError(
                f"{_MODEL} takes {', '.join(self._inputs)}",
                where=folder,
                hint=f"an encoder takes {', '.join(_INPUTS)}.",
            )
        outputs = {o.name: len(o.shape or ()) for o in self._session.get_outputs()}
        pooled = [n for n in ("sentence_embedding", "last_hidden_state", "token_embeddings") if n in outputs]
        self._output = (pooled or [n for n, rank in outputs.items() if rank == 3] or list(outputs))[0]

    @property
    def width(self) -> int:
        """The length of its vectors, as it gives one for an empty text."""
        vector = self.embed([""], self.tokenizer.max_tokens, False, 1)[0]
        return len(vector or ())

    def embed(
        self, texts: Sequence[str | None], max_tokens: int, normalize: bool, batch_size: int
    ) -> list[list[float] | None]:
        """One vector for each text: the mean of its tokens' vectors, or what the model itself makes of them.

        Args:
            texts: None for missing ones, which stay missing.
            max_tokens: longer texts are cut.
            normalize: whether vectors are scaled to length 1.
            batch_size: texts for one run.
        """
        distinct = sorted({t for t in texts if t is not None}, key=lambda t: (len(t), t))
        vectors: dict[str, list[float]] = {}
        for start in range(0, len(distinct), batch_size):
            part = distinct[start : start + batch_size]
            found = self._run([self.tokenizer.ids(t, max_tokens) for t in part])
            if normalize:
                length = np.sqrt((found * found).sum(axis=1, keepdims=True))
                found = found / np.where(length > 0, length, 1.0)
            vectors.update(zip(part, found.tolist(), strict=True))
        return [None if t is None else vectors[t] for t in texts]

    def _run(self, ids: Sequence[Sequence[int]]) -> npt.NDArray[np.float64]:
        width = max(len(row) for row in ids)
        pad = self.tokenizer.vocabulary[self.tokenizer.special["pad"]]
        tokens = np.full((len(ids), width), pad, np.int64)
        mask = np.zeros((len(ids), width), np.int64)
        for i, row in enumerate(ids):
            tokens[i, : len(row)] = row
            mask[i, : len(row)] = 1
        given = {"input_ids": tokens, "attention_mask": mask, "token_type_ids": np.zeros_like(tokens)}
        try:
            result: Any = self._session.run([self._output], {n: given[n] for n in self._inputs})[0]
        except Exception as error:
            raise ModelError(f"the encoder failed on {len(ids)} texts: {error}", where=self.folder) from error
        hidden = np.asarray(result, np.float64)
        if hidden.ndim == 2:
            return hidden
        if hidden.ndim != 3:
            raise ModelError(f"the encoder's output {self._output!r} has {hidden.ndim} dimensions", where=self.folder)
        summed = (hidden * mask[:, :, None]).sum(axis=1)
        return np.asarray(summed / mask.sum(axis=1, keepdims=True))


@lru_cache(maxsize=4)
def open_encoder(folder: str, sha256: str) -> Encoder:
    """The encoder of a folder, checked once in a process.

    Raises:
        ModelError: a folder whose content is not the one that the graph was made with.
    """
    found = encoder_sha256(folder)
    if found != sha256:
        raise ModelError(
            f"the encoder has sha256 {found[:12]}..., the graph was made with {sha256[:12]}...",
            where=folder,
            hint="put the files back that the transform was made with, or run Transform again.",
        )
    return Encoder(folder)
