"""PyTorch after training: variants of exported networks, pruning and distillation that export, and what each loses."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest

from trueline._core.errors import ModelError
from trueline.models import Fitted, Model
from trueline.models.optimise import (
    VARIANTS,
    DistillationLoss,
    Pruner,
    PruningSchedule,
    compact,
    distil,
    optimise,
    prune,
    sparsity,
)

torch = pytest.importorskip("torch")
pytestmark = pytest.mark.frameworks

FEATURES = ["length_filled", "depth", "mass", "island_hot", "ringed"]
CLASSES = [0, 10, 20]


class Mixed(torch.nn.Module):
    """An embedding beside numbers."""

    def __init__(self) -> None:
        super().__init__()
        self.words = torch.nn.Embedding(4, 24)
        self.rest = torch.nn.Sequential(torch.nn.Linear(27, 64), torch.nn.ReLU(), torch.nn.Linear(64, 3))

    def forward(self, ids: Any, x: Any) -> Any:
        """Logits."""
        return self.rest(torch.cat([self.words(ids)[:, 0], x], dim=1))


def stack(width: int = 48, features: int = 8) -> Any:
    torch.manual_seed(0)
    layers = torch.nn.Linear(features, width), torch.nn.ReLU(), torch.nn.Linear(width, width), torch.nn.ReLU()
    return torch.nn.Sequential(*layers, torch.nn.Linear(width, 3))


def arrays(line: Any) -> tuple[Any, Any]:
    x, y, _ = line.fn_args("grade", FEATURES).train.arrays()
    return np.asarray(x, np.float32), np.searchsorted(CLASSES, np.asarray(y, np.int64))


def trained(net: Any, x: Any, y: Any, steps: int = 150, pruner: Pruner | None = None) -> Any:
    torch.manual_seed(0)
    optimizer = torch.optim.Adam(net.parameters(), lr=0.01)
    rows, target = torch.from_numpy(x), torch.from_numpy(y)
    for _ in range(steps):
        optimizer.zero_grad()
        torch.nn.functional.cross_entropy(net(rows), target).backward()
        optimizer.step()
        if pruner is not None:
            pruner.step()
    return net.eval()


def accuracy(net: Any, x: Any, y: Any) -> float:
    with torch.no_grad():
        return float((net(torch.from_numpy(x)).argmax(1).numpy() == y).mean())


def exported(line: Any, net: Any, folder: Path) -> Model:
    return line.build(Fitted(net, output="logits", classes=CLASSES), folder, "grade", FEATURES, name="net")


@pytest.mark.parametrize("variant", sorted(VARIANTS))
def test_a_network_with_an_embedding_becomes_smaller_with_every_contract(
    variant: str, line: Any, tmp_path: Path
) -> None:
    torch.manual_seed(1)
    inputs = {"ids": ["island"], "x": ["length_filled", "depth", "mass"]}
    fitted = Fitted(Mixed().eval(), output="logits", classes=CLASSES, inputs=inputs)
    model = line.build(fitted, tmp_path / "m", "grade", ["island", "length_filled", "depth", "mass"], name="mixed")
    made = optimise(model, str(tmp_path / "v"), variant=variant, sample=line.table)
    assert made.info["optimised"]["changed"]["Gather"] >= 1
    assert made.info["optimised"]["changed"]["Gemm"] == 2
    assert made.info["parity"]["max_difference"] < 0.02
    sizes = made.info["optimised"]["bytes"]
    assert sizes["variant"] < 0.9 * sizes["original"]
    table = line.table.slice(0, 35)
    parts = np.concatenate([made.predict_proba(table.slice(i, 7)) for i in range(0, 35, 7)])
    np.testing.assert_allclose(parts, made.predict_proba(table), atol=1e-6)


@pytest.mark.parametrize("structured", [False, True])
def test_pruning_along_a_schedule_reaches_its_share_and_exports(structured: bool, line: Any, tmp_path: Path) -> None:
    x, y = arrays(line)
    dense = trained(stack(features=x.shape[1]), x, y)
    net = stack(features=x.shape[1])
    pruner = Pruner(net, PruningSchedule(0.5, end=100, start=20), structured=structured, every=5)
    trained(net, x, y, pruner=pruner)
    found = pruner.finish()
    pruned = ["0", "2"] + ([] if structured else ["4"])
    assert all(found[name] == pytest.approx(0.5, abs=0.02) for name in pruned)
    if structured:
        assert found["4"] == 0
        assert int(((net[0].weight == 0).all(dim=1) & (net[0].bias == 0)).sum()) == 24
    assert accuracy(net, x, y) > accuracy(dense, x, y) - 0.05
    assert exported(line, net, tmp_path / "m").info["parity"]["max_difference"] < 1e-5


def test_pruning_at_once_is_repeatable_and_permanent(line: Any) -> None:
    x, y = arrays(line)
    nets = [trained(stack(features=x.shape[1]), x, y, 40) for _ in range(2)]
    reports = [prune(net, 0.8) for net in nets]
    assert reports[0] == reports[1] == sparsity(nets[0])
    assert reports[0]["total"] == pytest.approx(0.8, abs=0.01)
    for a, b in zip(nets[0].state_dict().values(), nets[1].state_dict().values(), strict=True):
        assert torch.equal(a, b)
    assert list(nets[0].state_dict()) == list(stack(features=x.shape[1]).state_dict())
    kept = nets[0][0].weight.detach()
    assert kept[kept != 0].abs().min() >= 0


def test_neurons_taken_out_change_nothing_and_make_the_file_smaller(line: Any, tmp_path: Path) -> None:
    x, y = arrays(line)
    net = trained(stack(features=x.shape[1]), x, y, 60)
    prune(net, 0.75, structured=True)
    small = compact(net)
    assert (small[0].out_features, small[2].out_features) == (12, 12)
    with torch.no_grad():
        rows = torch.from_numpy(x)
        np.testing.assert_allclose(small(rows).numpy(), net(rows).numpy(), atol=1e-5)
    sizes = [
        (Path(exported(line, n, tmp_path / name).uri) / "model.onnx").stat().st_size
        for name, n in {"pruned": net, "compact": small}.items()
    ]
    assert sizes[1] < 0.6 * sizes[0]


def test_what_cannot_be_pruned_says_so() -> None:
    with pytest.raises(ModelError, match="ReLU has no layer to prune"):
        prune(torch.nn.ReLU(), 0.5)
    with pytest.raises(ModelError, match=r"contradicts itself[\s\S]*final=1\.5 is no share[\s\S]*end=0 is not after"):
        PruningSchedule(1.5, end=0)
    strange = torch.nn.Sequential(torch.nn.Linear(2, 2), torch.nn.Sigmoid(), torch.nn.Linear(2, 2))
    with pytest.raises(ModelError, match="Sigmoid may make something of a zero"):
        compact(strange)


def test_the_schedule_grows_from_its_start_to_its_end() -> None:
    schedule = PruningSchedule(0.8, end=30, start=10, initial=0.2)
    shares = [schedule.at(step) for step in range(40)]
    assert shares[:10] == [0.0] * 10
    assert shares[10] == pytest.approx(0.2)
    assert shares[30:] == [0.8] * 10
    assert shares == sorted(shares)
    assert schedule.at(20) == pytest.approx(0.8 - 0.6 * 0.5**3)


def test_a_student_learns_from_a_forest_and_exports(line: Any, tmp_path: Path) -> None:
    """The teacher is of another framework; the student sees no label."""
    from sklearn.ensemble import RandomForestClassifier

    forest = line.fit(RandomForestClassifier(20, max_depth=6, random_state=0), "grade", FEATURES)
    teacher = line.build(forest, tmp_path / "teacher", "grade", FEATURES)
    x, _, _ = line.fn_args("grade", FEATURES).train.arrays()
    raw = line.table.filter(line.table["grade"].is_valid())
    students = []
    for _ in range(2):
        student = stack(16, x.shape[1])
        history = distil(teacher, student, x, raw=raw, loss=DistillationLoss(2.0, 1.0), epochs=25, learning_rate=0.01)
        students.append(student)
    assert history[-1] < 0.3 * history[0]
    for a, b in zip(students[0].parameters(), students[1].parameters(), strict=True):
        assert torch.equal(a, b), "the same arguments give the same weights"
    model = exported(line, students[0], tmp_path / "student")
    agree = np.mean(model.predict_proba(raw).argmax(1) == teacher.predict_proba(raw).argmax(1))
    assert agree > 0.85
    size = {name: (tmp_path / name / "model.onnx").stat().st_size for name in ("teacher", "student")}
    assert size["student"] < 0.5 * size["teacher"]


def test_the_loss_is_the_formula() -> None:
    """Softening probabilities is softening logits: p ** (1/T) made to sum to one is softmax(logits / T)."""
    torch.manual_seed(0)
    logits, student = torch.randn(6, 3), torch.randn(6, 3)
    target, t = torch.tensor([0, 1, 2, 0, 1, 2]), 3.0
    found = DistillationLoss(t, 0.6)(student, logits.softmax(1), target)
    p, q = (logits / t).softmax(1), (student / t).softmax(1)
    soft = (p * (p / q).log()).sum(1).mean() * t * t
    hard = -student.log_softmax(1)[torch.arange(6), target].mean()
    assert float(found) == pytest.approx(float(0.6 * soft + 0.4 * hard), rel=1e-4)
    numbers = DistillationLoss(share=0.5)(
        torch.tensor([[1.0], [3.0]]), torch.tensor([0.0, 3.0]), torch.tensor([1.0, 1.0])
    )
    assert float(numbers) == pytest.approx(0.5 * 0.5 + 0.5 * 2.0)


def test_teachers_and_students_that_do_not_fit_are_told() -> None:
    x = np.zeros((4, 8), np.float32)
    with pytest.raises(ModelError, match="the student cannot learn from this teacher") as caught:
        distil(np.full((5, 3), np.nan), stack(), x)
    assert caught.value.problems == (
        "the teacher answers for 5 rows, x has 4",
        "share=0.7 learns from labels too, and y is not given",
        "the teacher answers with NaN or infinity on some rows",
    )
    with pytest.raises(ModelError, match=r"gives the shape \[4, 3\], the teacher has 2 classes"):
        distil(np.full((4, 2), 0.5), stack(), x, loss=DistillationLoss(share=1.0))
    with pytest.raises(ModelError, match=r"temperature=0 is not above 0[\s\S]*share=2 is not between 0 and 1"):
        DistillationLoss(0, 2)


@pytest.mark.parametrize("label", ["species", "importance"])
def test_the_ready_network_has_a_form_in_half_precision(label: str, line: Any, tmp_path: Path) -> None:
    """Trainer.torch_mlp: its checks for gaps and unknown categories work on booleans and whole numbers."""
    from trueline.training.ready.torch_mlp import run_fn

    ready = {"ready": {"options": {"epochs": 2, "hidden": [64, 32]}}}
    features = ["length", "depth", "mass", "island", "ringed"]
    args = line.fn_args(label, features, working_dir=str(tmp_path / "run"), custom_config=ready)
    model = line.build(run_fn(args), tmp_path / "m", label, features, name="ready")
    half = optimise(model, str(tmp_path / "half"), variant="float16", sample=line.table, max_difference=0.02)
    changed = half.info["optimised"]["changed"]
    assert changed["Gemm"] == 3
    assert not {"And", "Not", "Or"} & set(changed)
    there = {node.op_type for node in onnx.load(str(tmp_path / "m" / "model.onnx")).graph.node}
    assert there & {"And", "Not", "Or"}, "the case is meant to have some"
