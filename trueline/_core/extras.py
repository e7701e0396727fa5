"""Which extra brings which module: so that a missing one is told with the command that mends it."""

from __future__ import annotations

__all__ = ["EXTRA_OF", "missing_extra_hint"]

EXTRA_OF = {
    "uvicorn": "serving",
    "uvloop": "serving",
    "httptools": "serving",
    "orjson": "serving",
    "prometheus_client": "serving",
    "grpc": "serving",
    "onnxruntime_extensions": "serving",
    "botocore": "sagemaker",
    "jwt": "serving-auth",
    "packaging": "deploy",
    "opentelemetry": "otel",
    "sklearn": "sklearn",
    "skl2onnx": "sklearn",
    "skops": "sklearn",
    "threadpoolctl": "sklearn",
    "torch": "torch",
    "onnxscript": "torch",
    "safetensors": "torch",
    "xgboost": "xgboost",
    "lightgbm": "lightgbm",
    "catboost": "catboost",
    "statsmodels": "statsmodels",
    "keras": "keras",
    "tensorflow": "tensorflow",
    "tf2onnx": "tensorflow",
    "jax": "jax",
    "jax2onnx": "jax",
    "flax": "jax",
    "shap": "explain",
    "starlette": "web",
    "psycopg": "postgres",
    "pymysql": "mysql",
    "fastavro": "avro",
    "PIL": "image",
    "ray": "ray",
    "mlflow": "tracking",
    "optuna": "tune",
    "IPython": "notebook",
    "ipykernel": "notebook",
}


def missing_extra_hint(error: BaseException) -> str | None:
    """The pip command for a module that is not installed, when one of our extras brings it.

    >>> missing_extra_hint(ModuleNotFoundError("No module named 'uvicorn'", name="uvicorn"))
    "pip install 'trueline[serving]'"
    """
    if not isinstance(error, ModuleNotFoundError) or not error.name:
        return None
    extra = EXTRA_OF.get(error.name.split(".")[0])
    return f"pip install 'trueline[{extra}]'" if extra else None
