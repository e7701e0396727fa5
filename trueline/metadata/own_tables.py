"""trueline's own tables beside ML Metadata's: what happened in runs, and why, which its schema has no place for.

They have a version of their own. To change them: raise `OWN_VERSION`, add the step to `STEPS` in
`trueline.metadata.migrations`, and keep a database of the old version under ``tests/metadata``.
"""

from __future__ import annotations

import sqlalchemy as sa
from sqlalchemy.dialects import mysql

from trueline.metadata.tables import MYSQL, metadata

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


def _text() -> sa.types.TypeEngine[str]:
    # MySQL's own TEXT ends at 64 KiB, which a plan or a long message passes.
    return sa.Text().with_variant(mysql.LONGTEXT(), "mysql")


own_env = sa.Table(
    "trueline_env", metadata, sa.Column("version", sa.Integer, primary_key=True, autoincrement=False), **MYSQL
)

run = sa.Table(
    "trueline_run",
    metadata,
    sa.Column("run_id", sa.String(255), primary_key=True),
    sa.Column("pipeline", sa.String(255), nullable=False),
    sa.Column("context_id", sa.BigInteger),
    sa.Column("status", sa.String(32), nullable=False),
    sa.Column("started", sa.BigInteger, nullable=False),
    sa.Column("finished", sa.BigInteger),
    sa.Column("params", _text(), nullable=False),
    sa.Column("plan", _text(), nullable=False),
    sa.Column("message", _text()),
    sa.Column("host", sa.String(255), nullable=False),
    sa.Column("pid", sa.BigInteger, nullable=False),
    sa.Column("pid_started", sa.String(64), nullable=False),
    sa.Column("heartbeat", sa.BigInteger, nullable=False),
    # Since version 2: how the run was asked for (JSON), when somebody asked for its end, how often it was resumed.
    sa.Column("settings", _text()),
    sa.Column("cancel_requested", sa.BigInteger),
    sa.Column("resumed", sa.Integer),
    sa.Index("idx_trueline_run_pipeline", "pipeline", "started"),
    # Since version 2: the newest of 100,000 runs, and the few that are running, are found without reading them all.
    sa.Index("idx_trueline_run_started", "started", "run_id"),
    sa.Index("idx_trueline_run_status", "status", "started"),
    **MYSQL,
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
    sa.Column("found", _text(), nullable=False),
    sa.Column("message", _text()),
    sa.Column("reason", _text()),
    sa.Column("log", _text()),
    # Since version 2: the node of the plan where the row is one pass of a loop, attempts so far, what it used (JSON).
    sa.Column("base", sa.String(255)),
    sa.Column("attempt", sa.Integer),
    sa.Column("usage", _text()),
    sa.PrimaryKeyConstraint("run_id", "node_id"),
    sa.Index("idx_trueline_node_execution", "execution_id"),
    **MYSQL,
)

cache_entry = sa.Table(
    "trueline_cache",
    metadata,
    sa.Column("execution_id", sa.BigInteger, primary_key=True, autoincrement=False),
    sa.Column("pipeline", sa.String(255), nullable=False),
    sa.Column("node_id", sa.String(255), nullable=False),
    sa.Column("cache_key", sa.String(64), nullable=False),
    sa.Column("parts", _text(), nullable=False),
    sa.Index("idx_trueline_cache_key", "cache_key"),
    sa.Index("idx_trueline_cache_node", "pipeline", "node_id", "execution_id"),
    **MYSQL,
)

process = sa.Table(
    "trueline_process",
    metadata,
    sa.Column("execution_id", sa.BigInteger, primary_key=True, autoincrement=False),
    sa.Column("run_id", sa.String(255), nullable=False),
    sa.Column("node_id", sa.String(255), nullable=False),
    sa.Column("output_uris", _text(), nullable=False),
    sa.Index("idx_trueline_process_run", "run_id"),
    **MYSQL,
)

# Since version 2.
approval = sa.Table(
    "trueline_approval",
    metadata,
    sa.Column("run_id", sa.String(255), primary_key=True),
    sa.Column("node_id", sa.String(255), primary_key=True),
    sa.Column("question", _text(), nullable=False),
    sa.Column("asked", sa.BigInteger, nullable=False),
    sa.Column("expires", sa.BigInteger),
    sa.Column("token_hash", sa.String(64)),
    sa.Column("decision", sa.String(32)),
    sa.Column("decided", sa.BigInteger),
    sa.Column("decided_by", sa.String(255)),
    sa.Column("comment", _text()),
    **MYSQL,
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
    **MYSQL,
)

pin = sa.Table(
    "trueline_pin",
    metadata,
    sa.Column("artifact_id", sa.BigInteger, primary_key=True, autoincrement=False),
    sa.Column("reason", _text()),
    sa.Column("pinned_at", sa.BigInteger, nullable=False),
    sa.Column("pinned_by", sa.String(255)),
    **MYSQL,
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
    sa.Column("notes", _text(), nullable=False),
    sa.UniqueConstraint("model", "version"),
    sa.Index("idx_trueline_release_artifact", "artifact_id"),
    **MYSQL,
)
