"""Answers questions about a database with ML Metadata's own client; run by a Python that has it, without trueline.

Reads one JSON object from standard input: ``{"database": path, "queries": [[kind, text], ..],
"lists": [[kind, order, ascending, limit, text], ..], "graphs": [{..}, ..]}``. Prints the answers under the same keys:
lists of ids, null where the client refuses.
"""

from __future__ import annotations

import json
import sys

from ml_metadata import errors
from ml_metadata.metadata_store import metadata_store
from ml_metadata.proto import metadata_store_pb2 as mlmd


def main() -> None:
    asked = json.load(sys.stdin)
    config = mlmd.ConnectionConfig()
    config.sqlite.filename_uri = asked["database"]
    config.sqlite.connection_mode = mlmd.SqliteMetadataSourceConfig.READWRITE
    store = metadata_store.MetadataStore(config)
    answers = {
        "queries": [ids(store, kind, filter_query=text) for kind, text in asked.get("queries", [])],
        "lists": [
            ids(store, kind, filter_query=text, order_by=metadata_store.OrderByField[order], is_asc=up, limit=limit)
            for kind, order, up, limit, text in asked.get("lists", [])
        ],
        "graphs": [graph(store, options) for options in asked.get("graphs", [])],
    }
    print(json.dumps(answers))


def ids(store, kind, **options):
    try:
        found = getattr(store, f"get_{kind}")(metadata_store.ListOptions(**options))
    except errors.StatusError:
        return None
    return [node.id for node in found]


def graph(store, asked):
    options = mlmd.LineageSubgraphQueryOptions(direction=asked["direction"])
    if asked["hops"] is not None:
        options.max_num_hops = asked["hops"]
    getattr(options, f"starting_{asked['start'][0]}").filter_query = asked["start"][1]
    for kind, text, include in asked["ends"]:
        ending = getattr(options, f"ending_{kind}")
        ending.filter_query, ending.include_ending_nodes = text, include
    try:
        found = store.get_lineage_subgraph(options)
    except errors.StatusError as error:
        return type(error).__name__
    return {
        "artifacts": sorted(node.id for node in found.artifacts),
        "executions": sorted(node.id for node in found.executions),
        "contexts": sorted(node.id for node in found.contexts),
        "events": sorted([e.artifact_id, e.execution_id, e.type] for e in found.events),
        "attributions": sorted([link.context_id, link.artifact_id] for link in found.attributions),
        "associations": sorted([link.context_id, link.execution_id] for link in found.associations),
        "types": sorted(
            t.name for kind in ("artifact", "execution", "context") for t in getattr(found, f"{kind}_types")
        ),
    }


if __name__ == "__main__":
    main()
