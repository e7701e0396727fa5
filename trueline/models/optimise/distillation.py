"""Distillation: a small PyTorch module learns from the answers of a larger model of any framework.

The teacher is a trueline `Model`, so its probabilities are those that were measured and served; its framework need not
be installed. The loss is that of Hinton, Vinyals and Dean, "Distilling the Knowledge in a Neural Network" (2015).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from trueline._core.errors import ModelError

if TYPE_CHECKING:
    import torch

    from trueline.models.model import Model, Rows

__all__ = ["DistillationLoss", "distil", "teacher_answers"]

_TINY = 1e-7
_CHUNK = 8192


@dataclass(frozen=True)
class DistillationLoss:
    """``share * T^2 * KL(teacher at T, student at T) + (1 - share) * cross entropy with the label``.

    Softening at temperature T takes logits / T; of the teacher only probabilities p are known, and p ** (1/T), made to
    sum to one, is the same. For numbers (a regression, a score) it is squared error with the teacher and the label.

    Attributes:
        temperature: above 1 shows the student how the teacher ranks the wrong classes.
        share: of the teacher; 1 needs no labels.
    """

    temperature: float = 2.0
    share: float = 0.7

    def __post_init__(self) -> None:
        problems = [f"temperature={self.temperature} is not above 0"] if not self.temperature > 0 else []
        problems += [f"share={self.share} is not between 0 and 1"] if not 0 <= self.share <= 1 else []
        if problems:
            raise ModelError("the distillation loss cannot be computed", problems=problems)

    def __call__(
        self, student: torch.Tensor, teacher: torch.Tensor, target: torch.Tensor | None = None
    ) -> torch.Tensor:
        """The mean loss of some rows.

        Args:
            student: logits ``[N, C]``, or numbers ``[N]``.
            teacher: probabilities ``[N, C]``, or numbers ``[N]``.
            target: class numbers ``[N]``, or numbers ``[N]``; may be left out where `share` is 1.
        """
        import torch.nn.functional as f

        numbers = teacher.ndim == 1
        if numbers:
            student = student.reshape(-1)
            soft = f.mse_loss(student, teacher)
        else:
            t = self.temperature
            wanted = f.softmax(teacher.clamp_min(_TINY).log() / t, dim=1)
            soft = f.kl_div(f.log_softmax(student / t, dim=1), wanted, reduction="batchmean") * t * t
        if self.share == 1.0:
            return soft
        if target is None:
            raise ModelError(
                f"share={self.share} learns from labels too, and there are none", hint="give y, or share=1."
            )
        hard = f.mse_loss(student, target.to(student.dtype)) if numbers else f.cross_entropy(student, target)
        return self.share * soft + (1.0 - self.share) * hard


def teacher_answers(teacher: Model, raw: Rows) -> npt.NDArray[np.float32]:
    """Probabilities ``[N, C]``, or predictions ``[N]``, of a model for raw rows."""
    if teacher.classes is not None:
        return teacher.predict_proba(raw)
    name = str(teacher.runtime.outputs[0]["name"])
    return np.asarray(teacher.predict(raw).column(name).to_pylist(), np.float32)


def distil(
    teacher: Model | npt.NDArray[Any],
    student: torch.nn.Module,
    x: npt.NDArray[Any],
    *,
    raw: Rows | None = None,
    y: npt.NDArray[Any] | None = None,
    loss: DistillationLoss | None = None,
    epochs: int = 20,
    batch_size: int = 128,
    learning_rate: float = 1e-3,
    seed: int = 0,
    log: Callable[[str, float, int], Any] | None = None,
) -> list[float]:
    """Trains a student in place with Adam, on the CPU; the same arguments give the same weights.

    Args:
        teacher: a model, which answers for `raw`; or its answers themselves: probabilities ``[N, C]`` or numbers
            ``[N]``.
        student: gives logits ``[N, C]`` in the order of the teacher's classes, or numbers ``[N]``.
        x: the student's features, ``[N, F]``: float32, row by row those of `raw`.
        raw: raw rows for the teacher.
        y: class numbers, or numbers; not needed where the loss's share is 1.
        loss: `DistillationLoss()` by default.
        epochs: passes over the rows.
        batch_size: rows a step.
        learning_rate: Adam's.
        seed: of the order of rows, and of what is random in the student.
        log: called as ``log("distillation_loss", mean, epoch)``, such as `fn_args.log`.

    Returns:
        The mean loss of each epoch.

    Raises:
        ModelError: numbers of rows or of classes that do not fit.
    """
    import torch

    answers = np.asarray(teacher, np.float32) if isinstance(teacher, np.ndarray) else _asked(teacher, raw)
    objective = loss or DistillationLoss()
    _check(answers, x, y, objective)
    rows, wanted = torch.from_numpy(np.ascontiguousarray(x, np.float32)), torch.from_numpy(answers)
    target = None if y is None else torch.from_numpy(np.ascontiguousarray(y, np.int64 if answers.ndim == 2 else None))
    history = []
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        optimizer = torch.optim.Adam(student.parameters(), lr=learning_rate)
        student.train()
        for epoch in range(epochs):
            total = 0.0
            for chosen in torch.split(torch.randperm(len(rows)), batch_size):
                optimizer.zero_grad()
                given = student(rows[chosen])
                _check_student(given, wanted)
                value = objective(given, wanted[chosen], None if target is None else target[chosen])
                value.backward()  # type: ignore[no-untyped-call]
                optimizer.step()
                total += value.item() * len(chosen)
            history.append(total / len(rows))
            if log is not None:
                log("distillation_loss", history[-1], epoch)
    student.eval()
    return history


def _asked(teacher: Model, raw: Rows | None) -> npt.NDArray[np.float32]:
    if raw is None:
        raise ModelError(f"{teacher.name} answers for raw rows, and there are none", hint="give raw=, row by row as x.")
    return teacher_answers(teacher, raw)


def _check(
    answers: npt.NDArray[Any], x: npt.NDArray[Any], y: npt.NDArray[Any] | None, objective: DistillationLoss
) -> None:
    problems = []
    if answers.ndim not in (1, 2):
        problems.append(f"the teacher's answers have {answers.ndim} dimensions, not 1 or 2")
    if len(answers) != len(x):
        problems.append(f"the teacher answers for {len(answers)} rows, x has {len(x)}")
    if y is not None and len(y) != len(x):
        problems.append(f"y has {len(y)} rows, x has {len(x)}")
    if y is None and objective.share < 1:
        problems.append(f"share={objective.share} learns from labels too, and y is not given")
    if not np.isfinite(answers).all():
        problems.append("the teacher answers with NaN or infinity on some rows")
    if len(x) == 0:
        problems.append("there are no rows")
    if problems:
        raise ModelError("the student cannot learn from this teacher", problems=problems)


def _check_student(given: torch.Tensor, wanted: torch.Tensor) -> None:
    """The student must answer in the form of the teacher."""
    if wanted.ndim == 2 and (given.ndim != 2 or given.shape[1] != wanted.shape[1]):
        raise ModelError(
            f"the student gives the shape {list(given.shape)}, the teacher has {wanted.shape[1]} classes",
            hint="the student's last layer needs one output a class, also for two classes.",
        )
