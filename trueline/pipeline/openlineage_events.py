"""Runs and nodes as OpenLineage events, version 2-0-2 of its specification: plain JSON, nothing is sent here.

A run of a pipeline is an OpenLineage run of the job ``<pipeline>``, a node's one of the job ``<pipeline>.<node>`` with
the pipeline's run as its parent. Ids are made from names (RFC 4122, version 5): the same run told twice is one run.

Datasets are named as OpenLineage's naming page says: ``file`` and the path, ``s3://bucket`` and the key. The number of
the execution at the end of an artifact's folder is left out of its name, so that each output is one dataset with many
versions; the whole address is its ``dataSource``, its fingerprint its ``version``.
"""

from __future__ import annotations

import json
import re
import uuid
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlsplit

from trueline._core import store as files
from trueline._core.version import __version__
from trueline.metadata.records import Artifact
from trueline.metadata.run_records import NodeRecord, RunRecord
from trueline.pipeline.handles import handle_of, is_external

__all__ = ["ENDINGS", "SPEC", "EventMaker", "dataset_name"]

SPEC = "https://openlineage.io/spec/2-0-2/OpenLineage.json"
_FACETS = "https://openlineage.io/spec/facets"
_VERSIONS = {
    "ParentRunFacet": "1-2-0",
    "ErrorMessageRunFacet": "1-0-1",
    "ProcessingEngineRunFacet": "1-1-1",
    "JobTypeJobFacet": "2-0-4",
    "DocumentationJobFacet": "1-1-0",
    "DatasourceDatasetFacet": "1-0-1",
    "DatasetVersionDatasetFacet": "1-0-1",
    "SchemaDatasetFacet": "1-2-0",
}
"""The facets of OpenLineage that are used, with the versions that they were checked against."""
ENDINGS: Mapping[str, str] = {
    "COMPLETE": "COMPLETE",
    "CACHED": "COMPLETE",
    "REUSED": "COMPLETE",
    "FAILED": "FAIL",
    "CANCELED": "ABORT",
}
"""The event that ends a run or a node, by its state. Nodes in other states never began, or go on."""
_SCHEMES = {"s3a": "s3", "s3n": "s3", "gcs": "gs"}
_CONTAINERS = frozenset({"abfs", "abfss", "wasb", "wasbs"})
_NUMBERED = re.compile(r"(.+/[^/]+/[^/]+)/\d+(-\d+)?")
_FOUND_BYTES = 20_000


def dataset_name(uri: str) -> tuple[str, str]:
    """The namespace and the name of what lies at an address; no user, password or query is in them."""
    if files.is_local(uri):
        return "file", Path(files.local_path(uri)).absolute().as_posix()
    parts = urlsplit(uri)
    user, at, host = parts.netloc.rpartition("@")
    if parts.scheme in _CONTAINERS and ":" not in user:
        host = f"{user}{at}{host}"
    return f"{_SCHEMES.get(parts.scheme, parts.scheme)}://{host}", parts.path.strip("/") or "/"


@dataclass(frozen=True)
class EventMaker:
    """Makes the events of one run.

    Attributes:
        run: with its plan.
        namespace: of the jobs.
        producer: a URI that names who tells this; None: this version of trueline.
        parent: the run that started this one: its job's namespace and name, and its id.
    """

    run: RunRecord
    namespace: str = "default"
    producer: str | None = None
    parent: tuple[str, str, str] | None = None

    # -- events ------------------------------------------------------------------------------------------------------

    def of_run(self, kind: str, time: int) -> dict[str, Any]:
        """The run's event: START, COMPLETE, FAIL or ABORT; `time` is in milliseconds since the epoch."""
        facets = self._run_facets(self.parent)
        if kind in ("FAIL", "ABORT"):
            facets.update(self._error(self.run.message or f"the run is {self.run.status}"))
        facets["trueline_run"] = self._own("run", runId=self.run.run_id, status=self.run.status)
        job = self._job(self.run.pipeline, {"jobType": self._job_type("PIPELINE")})
        return self._event(kind, time, self._run_id(), facets, job)

    def of_node(
        self,
        kind: str,
        time: int,
        node: NodeRecord,
        *,
        inputs: Iterable[Artifact | str] = (),
        outputs: Iterable[Artifact] = (),
        description: str | None = None,
    ) -> dict[str, Any]:
        """A node's event; an input that is no artifact is the address of data from outside."""
        facets = self._run_facets((self.namespace, self.run.pipeline, self._run_id()))
        if kind in ("FAIL", "ABORT"):
            facets.update(self._error(node.message or f"the node is {node.state}"))
        facets["trueline_node"] = self._own("node", runId=self.run.run_id, nodeId=node.node_id, **_told(node))
        about = {"jobType": self._job_type("TASK")}
        if description:
            about["documentation"] = self._facet("DocumentationJobFacet", description=description)
        job = self._job(f"{self.run.pipeline}.{node.base or node.node_id}", about)
        event = self._event(kind, time, self._run_id(node.node_id), facets, job)
        return {**event, "inputs": self._datasets(inputs), "outputs": self._datasets(outputs)}

    def _event(
        self, kind: str, time: int, run_id: str, facets: Mapping[str, Any], job: Mapping[str, Any]
    ) -> dict[str, Any]:
        moment = datetime.fromtimestamp(time / 1000, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
        return {
            "eventType": kind,
            "eventTime": moment,
            "run": {"runId": run_id, "facets": dict(facets)},
            "job": dict(job),
            "inputs": [],
            "outputs": [],
            "producer": self._producer,
            "schemaURL": f"{SPEC}#/$defs/RunEvent",
        }

    # -- runs and jobs -----------------------------------------------------------------------------------------------

    def _run_id(self, node_id: str | None = None) -> str:
        names = [self.namespace, self.run.pipeline, self.run.run_id, *([] if node_id is None else [node_id])]
        return str(uuid.uuid5(uuid.NAMESPACE_URL, "trueline:" + "/".join(quote(name, safe="") for name in names)))

    def _job(self, name: str, facets: Mapping[str, Any]) -> dict[str, Any]:
        return {"namespace": self.namespace, "name": name, "facets": dict(facets)}

    def _job_type(self, kind: str) -> dict[str, Any]:
        return self._facet("JobTypeJobFacet", processingType="BATCH", integration="TRUELINE", jobType=kind)

    def _run_facets(self, parent: tuple[str, str, str] | None) -> dict[str, Any]:
        version = __version__
        engine = {"version": version, "name": "trueline", "openlineageAdapterVersion": version}
        facets = {"processing_engine": self._facet("ProcessingEngineRunFacet", **engine)}
        if parent is not None:
            job, run = {"namespace": parent[0], "name": parent[1]}, {"runId": parent[2]}
            facets["parent"] = self._facet("ParentRunFacet", job=job, run=run)
        return facets

    def _error(self, message: str) -> dict[str, Any]:
        return {"errorMessage": self._facet("ErrorMessageRunFacet", message=message, programmingLanguage="PYTHON")}

    # -- datasets ----------------------------------------------------------------------------------------------------

    def _datasets(self, given: Iterable[Artifact | str]) -> list[dict[str, Any]]:
        """Each once, though an artifact may come under several names."""
        made = [self._outside(item) if isinstance(item, str) else self._dataset(item) for item in given]
        return list({json.dumps(item, sort_keys=True): item for item in made}.values())

    def _outside(self, uri: str) -> dict[str, Any]:
        namespace, name = dataset_name(uri)
        return {"namespace": namespace, "name": name, "facets": {"dataSource": self._source(namespace, name)}}

    def _dataset(self, artifact: Artifact) -> dict[str, Any]:
        handle = handle_of(artifact)
        namespace, name = dataset_name(handle.uri)
        numbered = None if is_external(artifact) else _NUMBERED.fullmatch(name)
        facets = {
            "dataSource": self._source(namespace, name),
            "trueline_artifact": self._own(
                "artifact", artifactId=handle.id, type=handle.type, properties=handle.properties
            ),
        }
        if handle.fingerprint:
            facets["version"] = self._facet("DatasetVersionDatasetFacet", datasetVersion=handle.fingerprint)
        columns = _columns(handle.uri) if handle.type == "Examples" else None
        if columns:
            facets["schema"] = self._facet("SchemaDatasetFacet", fields=columns)
        return {"namespace": namespace, "name": numbered[1] if numbered else name, "facets": facets}

    def _source(self, namespace: str, name: str) -> dict[str, Any]:
        uri = f"file://{quote(name)}" if namespace == "file" else f"{namespace}/{quote(name.lstrip('/'))}"
        return self._facet("DatasourceDatasetFacet", name=namespace, uri=uri)

    # -- facets ------------------------------------------------------------------------------------------------------

    @property
    def _producer(self) -> str:
        return self.producer or f"urn:trueline:{__version__}"

    def _facet(self, facet: str, **values: Any) -> dict[str, Any]:
        url = f"{_FACETS}/{_VERSIONS[facet]}/{facet}.json#/$defs/{facet}"
        return {"_producer": self._producer, "_schemaURL": url, **values}

    def _own(self, facet: str, **values: Any) -> dict[str, Any]:
        kept = {name: value for name, value in values.items() if value is not None}
        return {"_producer": self._producer, "_schemaURL": f"urn:trueline:openlineage:{facet}:1", **kept}


def _told(node: NodeRecord) -> dict[str, Any]:
    found = node.found if node.found and len(json.dumps(dict(node.found))) <= _FOUND_BYTES else None
    return {
        "state": node.state,
        "reason": node.reason,
        "executionId": node.execution_id,
        "attempt": node.attempt,
        "found": found,
        "usage": node.usage,
    }


def _columns(uri: str) -> list[dict[str, str]] | None:
    """The columns of Examples on this machine; reading them elsewhere would be no small matter."""
    if not files.is_local(uri):
        return None
    from trueline.data.examples import Examples

    try:
        schema = Examples.open(uri).arrow_schema
    except Exception:  # swept away meanwhile, or of a newer version: the event goes without
        return None
    return [{"name": field.name, "type": str(field.type)} for field in schema if not field.name.startswith("__")]
