"""Functions that exported pipelines name."""

from __future__ import annotations


def train(fn_args):
    """A training."""
    return fn_args


def newest_three(query):
    """A resolver of one's own."""
    return {"examples": query.artifacts()[:3]}


def small_space():
    """A search space."""
    return {"rate": {"low": 0.1, "high": 1.0}}
