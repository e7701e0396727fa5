"""One small model of every framework, for any of the data sets of the matrix. Each function is a ``run_fn``."""

from __future__ import annotations

from typing import Any

import numpy as np

TASKS = ("binary", "multiclass", "regression")


def _task(fn_args: Any) -> str:
    return str(fn_args.custom_config["task"])


def _columns(fn_args: Any) -> int:
    """Outputs of a network: one logit or number, or one logit a class."""
    return int(fn_args.custom_config["classes"]) if _task(fn_args) == "multiclass" else 1


def _output(fn_args: Any) -> str:
    return "prediction" if _task(fn_args) == "regression" else "logits"


def sklearn(fn_args: Any) -> Any:
    """Boosted trees; for wide counts of words a linear model, whose fit is quick."""
    from sklearn.ensemble import HistGradientBoostingClassifier, HistGradientBoostingRegressor
    from sklearn.linear_model import LogisticRegression

    x, y, _ = fn_args.train.arrays()
    if x.shape[1] > 200:
        return LogisticRegression(max_iter=2000).fit(x, y)
    kind = HistGradientBoostingRegressor if _task(fn_args) == "regression" else HistGradientBoostingClassifier
    return kind(max_iter=20, random_state=fn_args.seed).fit(x, y)


def xgboost(fn_args: Any) -> Any:
    """Twenty trees."""
    from xgboost import XGBClassifier, XGBRegressor

    x, y, _ = fn_args.train.arrays()
    kind = XGBRegressor if _task(fn_args) == "regression" else XGBClassifier
    return kind(n_estimators=20, max_depth=4, n_jobs=1, random_state=fn_args.seed).fit(x, y)


def lightgbm(fn_args: Any) -> Any:
    """Twenty trees."""
    from lightgbm import LGBMClassifier, LGBMRegressor

    x, y, _ = fn_args.train.arrays()
    kind = LGBMRegressor if _task(fn_args) == "regression" else LGBMClassifier
    return kind(n_estimators=20, n_jobs=1, random_state=fn_args.seed, verbose=-1, min_child_samples=5).fit(x, y)


def catboost(fn_args: Any) -> Any:
    """Twenty symmetric trees."""
    from catboost import CatBoostClassifier, CatBoostRegressor

    x, y, _ = fn_args.train.arrays()
    kind = CatBoostRegressor if _task(fn_args) == "regression" else CatBoostClassifier
    model = kind(
        iterations=20, depth=4, random_seed=fn_args.seed, thread_count=1, verbose=False, allow_writing_files=False
    )
    return model.fit(x, y)


def statsmodels(fn_args: Any) -> Any:
    """A linear or generalised linear model; species, which can be told apart, with a penalty that gives them a fit."""
    import statsmodels.api as sm

    x, y, _ = fn_args.train.arrays()
    if _task(fn_args) == "regression":
        return sm.OLS(y.astype(float), sm.add_constant(x.astype(float), has_constant="add")).fit()
    design = sm.add_constant(x.astype(float), has_constant="add")
    if _task(fn_args) == "multiclass":
        return sm.MNLogit(y, design).fit_regularized(alpha=0.5, disp=0)
    return sm.GLM(y, design, family=sm.families.Binomial()).fit()


def python(fn_args: Any) -> Any:
    """Weights that scikit-learn found, used by a function of one's own."""
    from sklearn.linear_model import LinearRegression, LogisticRegression
    from sklearn.preprocessing import StandardScaler

    from trueline.models import Fitted, PythonModel

    x, y, _ = fn_args.train.arrays()
    scaler = StandardScaler().fit(x)
    kind = LinearRegression() if _task(fn_args) == "regression" else LogisticRegression(max_iter=2000)
    model = kind.fit(scaler.transform(x), y)
    params = {
        "mean": scaler.mean_.tolist(),
        "scale": scaler.scale_.tolist(),
        "weights": np.atleast_2d(model.coef_).tolist(),
        "bias": np.atleast_1d(model.intercept_).tolist(),
        "task": _task(fn_args),
    }
    meaning = "prediction" if _task(fn_args) == "regression" else "probabilities"
    return Fitted(PythonModel("matrix_models:linear", params=params), output=meaning)


def linear(x: Any, mean: list[float], scale: list[float], weights: Any, bias: list[float], task: str) -> Any:
    """The user's own function that `python` names: standardise, multiply, softmax."""
    z = ((x - np.array(mean)) / np.array(scale)) @ np.array(weights).T + np.array(bias)
    if task == "regression":
        return z[:, 0]
    if task == "binary":
        p = 1.0 / (1.0 + np.exp(-z[:, 0]))
        return np.stack([1.0 - p, p], axis=1)
    e = np.exp(z - z.max(axis=1, keepdims=True))
    return e / e.sum(axis=1, keepdims=True)


def onnx(fn_args: Any) -> Any:
    """An ONNX file made elsewhere: here of a random forest, by another converter's hand."""
    from skl2onnx import to_onnx
    from sklearn.ensemble import RandomForestClassifier, RandomForestRegressor

    from trueline.models import Fitted, OnnxModel

    x, y, _ = fn_args.train.arrays()
    if _task(fn_args) == "regression":
        forest = RandomForestRegressor(5, max_depth=6, random_state=fn_args.seed).fit(x, y)
        made = to_onnx(forest, x[:1], target_opset={"": 18, "ai.onnx.ml": 3})
        return Fitted(OnnxModel(made.SerializeToString()), output="prediction")
    forest = RandomForestClassifier(5, max_depth=6, random_state=fn_args.seed).fit(x, y)
    made = to_onnx(forest, x[:1], target_opset={"": 18, "ai.onnx.ml": 3}, options={"zipmap": False})
    return Fitted(OnnxModel(made.SerializeToString(), output="probabilities"), output="probabilities")


def _mlp(columns: int, width: int) -> Any:
    from torch import nn

    return nn.Sequential(nn.BatchNorm1d(width), nn.Linear(width, 32), nn.ReLU(), nn.Linear(32, columns))


def _network(fn_args: Any, width: int) -> Any:
    """A network that suits the data: pictures, ids of words, or a row of numbers."""
    from torch import nn

    shape = fn_args.custom_config["shape"]
    if shape == "image":
        side = int(width**0.5)
        return nn.Sequential(
            nn.Unflatten(1, (1, side, side)),
            nn.Conv2d(1, 8, 3, padding=1),
            nn.ReLU(),
            nn.MaxPool2d(2),
            nn.Flatten(),
            nn.Linear(8 * (side // 2) ** 2, _columns(fn_args)),
        )
    return _mlp(_columns(fn_args), width)


def _loss(fn_args: Any) -> Any:
    from torch import nn

    return {
        "binary": lambda z, y: nn.functional.binary_cross_entropy_with_logits(z[:, 0], y.float()),
        "multiclass": lambda z, y: nn.functional.cross_entropy(z, y.long()),
        "regression": lambda z, y: nn.functional.mse_loss(z[:, 0], y.float()),
    }[_task(fn_args)]


def torch(fn_args: Any) -> Any:
    """A small network, trained by hand on the line's batches."""
    import torch

    from trueline.models import Fitted

    width = next(iter(fn_args.train.batches(2))).x.shape[1]
    model, loss = _network(fn_args, width), _loss(fn_args)
    optimizer = torch.optim.Adam(model.parameters(), lr=0.01)
    for step, batch in enumerate(_steps(fn_args)):
        optimizer.zero_grad()
        value = loss(model(batch.x), batch.y)
        value.backward()
        optimizer.step()
        if step % 20 == 0:
            fn_args.log("loss", value.item(), step)
    return Fitted(model, output=_output(fn_args))


def _steps(fn_args: Any) -> Any:
    """Batches of a few epochs, at least a hundred steps."""
    taken = 0
    for epoch in range(40):
        for batch in fn_args.train.batches(128, as_="torch", shuffle=True, seed=fn_args.seed, epoch=epoch):
            yield batch
            taken += 1
        if taken >= 100:
            return


def lightning(fn_args: Any) -> Any:
    """The same network as a LightningModule, trained by Lightning."""
    import lightning
    import torch

    from trueline.models import Fitted

    x, y, _ = fn_args.train.arrays()

    class Module(lightning.LightningModule):
        def __init__(self) -> None:
            super().__init__()
            self.net, self.loss = _network(fn_args, x.shape[1]), _loss(fn_args)

        def forward(self, x: Any) -> Any:
            return self.net(x)

        def training_step(self, batch: Any, index: int) -> Any:
            return self.loss(self.net(batch[0]), batch[1])

        def configure_optimizers(self) -> Any:
            return torch.optim.Adam(self.parameters(), lr=0.01)

    rows = torch.utils.data.TensorDataset(torch.from_numpy(x), torch.from_numpy(y.copy()))
    loader = torch.utils.data.DataLoader(rows, batch_size=128, shuffle=True)
    model = Module()
    trainer = lightning.Trainer(
        max_steps=100, logger=False, enable_checkpointing=False, enable_progress_bar=False,
        enable_model_summary=False, accelerator="cpu", devices=1,
    )  # fmt: skip
    trainer.fit(model, loader)
    return Fitted(model, output=_output(fn_args))


def keras(fn_args: Any) -> Any:
    """A sequential Keras model, on whichever back end the process has."""
    import keras

    from trueline.models import Fitted

    x, y, _ = fn_args.train.arrays()
    keras.utils.set_random_seed(fn_args.seed)
    layers = [keras.layers.Input((x.shape[1],), name="x")]
    if fn_args.custom_config["shape"] == "image":
        side = int(x.shape[1] ** 0.5)
        layers += [
            keras.layers.Reshape((side, side, 1)),
            keras.layers.Conv2D(8, 3, padding="same", activation="relu"),
            keras.layers.MaxPooling2D(2),
            keras.layers.Flatten(),
        ]
    else:
        layers += [keras.layers.BatchNormalization(), keras.layers.Dense(32, activation="relu")]
    model = keras.Sequential([*layers, keras.layers.Dense(_columns(fn_args))])
    loss = {
        "binary": keras.losses.BinaryCrossentropy(from_logits=True),
        "multiclass": keras.losses.SparseCategoricalCrossentropy(from_logits=True),
        "regression": keras.losses.MeanSquaredError(),
    }[_task(fn_args)]
    model.compile(optimizer=keras.optimizers.Adam(0.01), loss=loss)
    model.fit(x, y, batch_size=128, epochs=max(2, min(40, 12800 // len(x))), verbose=0)
    return Fitted(model, output=_output(fn_args))
