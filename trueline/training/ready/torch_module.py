"""The network of `torch_mlp` as a torch module; this file imports torch.

Everything between a row of x and a logit is in the module, and so in the exported graph: numbers are brought to mean 0
and standard deviation 1 of the training split and cut at 10 of these; a missing one is 0 with a 1 in a column beside
it; categories are looked up in embeddings, those outside the domain in one of their own.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import torch
from torch import nn

from trueline.training.ready.columns import Column, embedding_width

__all__ = ["ACTIVATIONS", "CUT", "TableNetwork"]

ACTIVATIONS: dict[str, type[nn.Module]] = {"relu": nn.ReLU, "gelu": nn.GELU, "silu": nn.SiLU, "tanh": nn.Tanh}
CUT = 10.0


class TableNetwork(nn.Module):
    """Rows ``[N, F]`` to logits ``[N, K]``, or to predictions ``[N, 1]`` in the label's own unit.

    Args:
        columns: what the columns of x are.
        mean, scale: of every column of x, float32 ``[F]``; those of categories are not used.
        outputs: columns of the output.
        hidden: widths of the hidden layers.
        dropout: share of a hidden layer's values that are left out in training.
        activation: a key of `ACTIVATIONS`.
        max_embedding: widest embedding.
        target: mean and scale of the label that is predicted; (0, 1) for logits.
    """

    def __init__(
        self,
        columns: Sequence[Column],
        mean: npt.NDArray[np.float32],
        scale: npt.NDArray[np.float32],
        outputs: int,
        *,
        hidden: Sequence[int] = (128, 64),
        dropout: float = 0.1,
        activation: str = "relu",
        max_embedding: int = 50,
        target: tuple[float, float] = (0.0, 1.0),
    ) -> None:
        super().__init__()
        numbers = [c for c in columns if not c.categorical]
        self.categories = [c for c in columns if c.categorical]
        gaps = [place for place, c in enumerate(numbers) if c.optional]
        places = [c.index for c in numbers]
        self.register_buffer("places", torch.tensor(places, dtype=torch.int64))
        self.register_buffer("gaps", torch.tensor(gaps, dtype=torch.int64))
        self.register_buffer("mean", torch.from_numpy(mean[places].copy()))
        self.register_buffer("scale", torch.from_numpy(scale[places].copy()))
        self.register_buffer("target", torch.tensor(target, dtype=torch.float32))
        widths = [embedding_width(c.size, max_embedding) for c in self.categories]
        self.embeddings = nn.ModuleList(
            nn.Embedding(c.size + 1, width) for c, width in zip(self.categories, widths, strict=True)
        )
        layers: list[nn.Module] = []
        size = len(numbers) + len(gaps) + sum(widths)
        for width in hidden:
            layers += [nn.Linear(size, width), ACTIVATIONS[activation](), nn.Dropout(dropout)]
            size = width
        self.layers = nn.Sequential(*layers, nn.Linear(size, outputs))
        self.has_numbers, self.has_gaps = bool(numbers), bool(gaps)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Logits or predictions of rows."""
        parts: list[torch.Tensor] = []
        if self.has_numbers:
            values = x.index_select(1, self.get_buffer("places"))
            missing = torch.isnan(values)
            scaled = (values - self.get_buffer("mean")) / self.get_buffer("scale")
            parts.append(torch.where(missing, torch.zeros_like(scaled), scaled.clamp(-CUT, CUT)))
            if self.has_gaps:
                parts.append(missing.to(x.dtype).index_select(1, self.get_buffer("gaps")))
        for column, embedding in zip(self.categories, self.embeddings, strict=True):
            number = x[:, column.index].to(torch.int64) - column.least
            known = (number >= 0) & (number < column.size)
            parts.append(embedding(torch.where(known, number, torch.full_like(number, column.size))))
        target = self.get_buffer("target")
        out: torch.Tensor = self.layers(torch.cat(parts, dim=1)) * target[1] + target[0]
        return out
