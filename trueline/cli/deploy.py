"""``trueline deploy``: what it takes to serve models elsewhere, as files: manifests, the recipe of an image."""

from __future__ import annotations

import json
from dataclasses import fields
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from trueline._core.errors import ConfigError

if TYPE_CHECKING:
    from trueline.serving.config import ServerConfig

__all__ = ["deploy"]


@click.group()
def deploy() -> None:
    """Write what serves models elsewhere: manifests for Kubernetes, the recipe of an image.

    Files are written, nothing is sent anywhere.
    """


@deploy.command(
    epilog="\b\nExamples:\n"
    "  trueline deploy k8s --name churn --image registry.example/serving:1.0 --model churn=s3://bucket/churn \\\n"
    "    --service-account churn-reader | kubectl apply -f -\n"
    "  trueline deploy k8s --name all --image registry.example/serving:1.0 --config models.toml -o serving.yaml"
)
@click.option("--name", required=True, help="Of all objects.")
@click.option("--image", required=True, help="The server's image; its tag or digest must not move.")
@click.option(
    "--model", "models", multiple=True, metavar="NAME=PLACE", help="URL, or folder below /models; repeatable."
)
@click.option("--config", "file", metavar="FILE", help="Models as the server's file has them, in place of --model.")
@click.option("--namespace", help="Where to; by default where the file is applied.")
@click.option("--min-replicas", default=2, show_default=True, help="Pods at least.")
@click.option("--max-replicas", default=10, show_default=True, help="Pods at most; as --min-replicas: no autoscaler.")
@click.option("--target-cpu", default=70, show_default=True, help="Percent of CPU at which pods are added.")
@click.option("--cpu", default="1", show_default=True, help="CPU that a pod asks for.")
@click.option("--memory", default="1Gi", show_default=True, help="Memory that a pod has.")
@click.option("--cache-size", default="4Gi", show_default=True, help="Disk for models of an object store.")
@click.option("--grpc/--no-grpc", default=True, show_default=True, help="Serve gRPC too.")
@click.option("--claim", help="PersistentVolumeClaim that is mounted at /models.")
@click.option("--service-account", help="Identity of the pods.")
@click.option("--environment-secret", help="Secret whose entries become variables, such as keys of an object store.")
@click.option("--tls-secret", help="Secret of type kubernetes.io/tls for the server's own TLS.")
@click.option("--api-keys-secret", help="Secret with keys.json.")
@click.option("--drain-delay", default=10, show_default=True, help="Seconds from SIGTERM to the end of listening.")
@click.option("--drain-seconds", default=30, show_default=True, help="Longest wait for requests in flight.")
@click.option("--pod-monitor/--no-pod-monitor", default=True, show_default=True, help="For the Prometheus operator.")
@click.option("--ingress-host", help="Name under which an Ingress leads here.")
@click.option("--ingress-class", help="The Ingress's class.")
@click.option("--ingress-tls-secret", help="Secret with the Ingress's certificate.")
@click.option("-o", "--out", metavar="FILE", help="Standard output by default.")
@click.option("--json", "as_json", is_flag=True, help="Print the objects, or what was written, as JSON.")
def k8s(models: tuple[str, ...], file: str | None, out: str | None, as_json: bool, **settings: Any) -> None:
    """Write manifests for Kubernetes as one YAML file.

    Deployment, Service and the models' ConfigMap; with more than one pod an autoscaler and a disruption budget; a
    PodMonitor; an Ingress where a host is named. Pods run without rights on a root file system that is read-only.
    """
    from trueline.deploy import KubernetesOptions, manifests, yaml_text

    options = KubernetesOptions(**{f.name: settings[f.name] for f in fields(KubernetesOptions)})
    objects = manifests(_config(models, file), options)
    told = {"out": out, "objects": objects}
    if out is None:
        click.echo(json.dumps(told) if as_json else yaml_text(objects), nl=as_json)
        return
    from trueline._core import store

    store.write_text(out, yaml_text(objects))
    click.echo(json.dumps(told) if as_json else f"Wrote {out}: {len(objects)} objects")


@deploy.command(
    epilog="\b\nExample:\n  trueline deploy docker -o image --with s3fs\n"
    "  docker build -t registry.example/serving:1.0 image"
)
@click.option("-o", "--out", required=True, metavar="FOLDER", help="An absent or empty folder.")
@click.option("--base", help="The image to start from; by default the slim one of this Python.")
@click.option("--with", "additions", multiple=True, metavar="PACKAGE", help="Added, such as s3fs; repeatable.")
@click.option("--wheel", metavar="FILE", help="Trueline's own wheel; by default it comes from the index.")
@click.option("--json", "as_json", is_flag=True, help="Print what was written as JSON.")
def docker(out: str, base: str | None, additions: tuple[str, ...], wheel: str | None, as_json: bool) -> None:
    """Write the recipe of the server's image: a Dockerfile and its exact packages.

    Versions are those that are installed here.
    """
    from trueline._core import store
    from trueline.deploy import DockerOptions, docker_files

    folder = Path(out)
    if folder.exists() and not (folder.is_dir() and not any(folder.iterdir())):
        raise ConfigError("the folder is not empty", where=out, hint="name one that is not there yet.")
    given = {} if base is None else {"base": base}
    files = docker_files(DockerOptions(**given, additions=additions, wheel=wheel))
    for name, data in files.items():
        store.write_bytes(str(folder / name), data)
    told = {"out": out, "files": list(files)}
    click.echo(json.dumps(told) if as_json else f"Wrote {', '.join(files)} to {out}")


def _config(models: tuple[str, ...], file: str | None) -> ServerConfig:
    from trueline.serving.config import ModelConfig, ServerConfig

    if (file is None) == (not models):
        raise ConfigError("give --model NAME=PLACE, or --config FILE")
    if file is not None:
        from trueline.serving.config_file import read_config_file

        return read_config_file(file)
    pairs = [text.partition("=") for text in models]
    wrong = [f"--model {name}: expected NAME=PLACE" for name, equals, place in pairs if not (name and equals and place)]
    if wrong:
        raise ConfigError("the models are wrong", problems=wrong)
    return ServerConfig(tuple(ModelConfig(name, place) for name, _, place in pairs))
