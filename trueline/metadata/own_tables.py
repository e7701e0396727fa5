"""trueline's own tables beside ML Metadata's: what happened in runs, and why, which its schema has no place for.

They have a version of their own. To change them: raise `OWN_VERSION`, add the step to `MIGRATIONS` in
`trueline.metadata.database`, and keep a database of the old version under ``tests/metadata``.
"""

from __future__ import annotations

import sqlalchemy as sa

from trueline.metadata.tables import metadata

__all__ = ["OWN_VERSION", "cache_entry", "own_env", "process", "run", "run_node"]

OWN_VERSION = 1

own_env = sa.Table("trueline_env", metadata, sa.Column("version", sa.Integer, primary_key=True, autoincrement=False))

run = sa.Table(
    "trueline_run",
    metadata,
    sa.Column("run_id", sa.String(255), primary_key=True),
    sa.Column("pipeline", sa.String(255), nullable=False),
    sa.Column("context_id", sa.BigInteger),
    sa.Column("status", sa.String(32), nullable=False),
    sa.Column("started", sa.BigInteger, nullable=False),
    sa.Column("finished", sa.BigInteger),
    sa.Column("params", sa.Text, nullable=False),
    sa.Column("plan", sa.Text, nullable=False),
    sa.Column("message", sa.Text),
    sa.Column("host", sa.String(255), nullable=False),
    sa.Column("pid", sa.BigInteger, nullable=False),
    sa.Column("pid_started", sa.String(64), nullable=False),
    sa.Column("heartbeat", sa.BigInteger, nullable=False),
    sa.Index("idx_trueline_run_pipeline", "pipeline", "started"),
)

run_node = sa.Table(
    "trueline_node",
    metadata,
    sa.Column("run_id", sa.String(255), nullable=False),
    sa.Column("node_id", sa.String(255), nullable=False),
    sa.Column("state", sa.String(32), nullable=False),
    sa.Column("execution_id", sa.BigInteger),
    sa.Column("started", sa.BigInteger),
    sa.Column("finished", sa.BigInteger),
    sa.Column("found", sa.Text, nullable=False),
    sa.Column("message", sa.Text),
    sa.Column("reason", sa.Text),
    sa.Column("log", sa.Text),
    sa.PrimaryKeyConstraint("run_id", "node_id"),
    sa.Index("idx_trueline_node_execution", "execution_id"),
)

cache_entry = sa.Table(
    "trueline_cache",
    metadata,
    sa.Column("execution_id", sa.BigInteger, primary_key=True, autoincrement=False),
    sa.Column("pipeline", sa.String(255), nullable=False),
    sa.Column("node_id", sa.String(255), nullable=False),
    sa.Column("cache_key", sa.String(64), nullable=False),
    sa.Column("parts", sa.Text, nullable=False),
    sa.Index("idx_trueline_cache_key", "cache_key"),
    sa.Index("idx_trueline_cache_node", "pipeline", "node_id", "execution_id"),
)

process = sa.Table(
    "trueline_process",
    metadata,
    sa.Column("execution_id", sa.BigInteger, primary_key=True, autoincrement=False),
    sa.Column("run_id", sa.String(255), nullable=False),
    sa.Column("node_id", sa.String(255), nullable=False),
    sa.Column("output_uris", sa.Text, nullable=False),
    sa.Index("idx_trueline_process_run", "run_id"),
)
