"""trueline's own tables beside ML Metadata's: what happened in runs, and why, which its schema has no place for.

They have a version of their own. To change them: raise `OWN_VERSION`, add the step to `MIGRATIONS` in
`trueline.metadata.database`, and keep a database of the old version under ``tests/metadata``.
"""

from __future__ import annotations

import sqlalchemy as sa

from trueline.metadata.tables import metadata

__all__ = [
    "OWN_VERSION",
    "alias",
    "approval",
    "cache_entry",
    "own_env",
    "pin",
    "process",
    "release",
    "run",
    "run_node",
]

OWN_VERSION = 2

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
    # Since version 2: how the run was asked for (JSON), when somebody asked for its end, how often it was resumed.
    sa.Column("settings", sa.Text),
    sa.Column("cancel_requested", sa.BigInteger),
    sa.Column("resumed", sa.Integer),
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
    # Since version 2: the node of the plan where the row is one pass of a loop, attempts so far, and what it used (JSON).
    sa.Column("base", sa.String(255)),
    sa.Column("attempt", sa.Integer),
    sa.Column("usage", sa.Text),
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

# Since version 2.
approval = sa.Table(
    "trueline_approval",
    metadata,
    sa.Column("run_id", sa.String(255), primary_key=True),
    sa.Column("node_id", sa.String(255), primary_key=True),
    sa.Column("question", sa.Text, nullable=False),
    sa.Column("asked", sa.BigInteger, nullable=False),
    sa.Column("expires", sa.BigInteger),
    sa.Column("token_hash", sa.String(64)),
    sa.Column("decision", sa.String(32)),
    sa.Column("decided", sa.BigInteger),
    sa.Column("decided_by", sa.String(255)),
    sa.Column("comment", sa.Text),
)

alias = sa.Table(
    "trueline_alias",
    metadata,
    sa.Column("scope", sa.String(255), primary_key=True),
    sa.Column("name", sa.String(255), primary_key=True),
    sa.Column("artifact_id", sa.BigInteger, nullable=False),
    sa.Column("set_at", sa.BigInteger, nullable=False),
    sa.Column("set_by", sa.String(255)),
    sa.Index("idx_trueline_alias_artifact", "artifact_id"),
)

pin = sa.Table(
    "trueline_pin",
    metadata,
    sa.Column("artifact_id", sa.BigInteger, primary_key=True, autoincrement=False),
    sa.Column("reason", sa.Text),
    sa.Column("pinned_at", sa.BigInteger, nullable=False),
    sa.Column("pinned_by", sa.String(255)),
)

release = sa.Table(
    "trueline_release",
    metadata,
    sa.Column("id", sa.Integer, primary_key=True, autoincrement=True),
    sa.Column("model", sa.String(255), nullable=False),
    sa.Column("version", sa.String(64), nullable=False),
    sa.Column("artifact_id", sa.BigInteger, nullable=False),
    sa.Column("stage", sa.String(64), nullable=False),
    sa.Column("released", sa.BigInteger, nullable=False),
    sa.Column("released_by", sa.String(255)),
    sa.Column("notes", sa.Text, nullable=False),
    sa.UniqueConstraint("model", "version"),
    sa.Index("idx_trueline_release_artifact", "artifact_id"),
)
