"""Amazon SageMaker: a model and an endpoint configuration named after the version, and the endpoint moved to it.

The server's container (`trueline deploy docker`) serves the version's folder as it lies in S3, without an archive.
Credentials and region are the AWS libraries' own, from the environment.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

from trueline._core.errors import ArtifactError, ConfigError
from trueline.components.push_service import until_done
from trueline.components.push_targets import Version

__all__ = ["SageMakerEndpoint"]

_NAME = re.compile(r"[a-zA-Z0-9](?:-*[a-zA-Z0-9]){0,40}")
_ROLE = re.compile(r"arn:aws[a-z-]*:iam::\d{12}:role/[\w+=,.@/-]+")
_IMAGE = re.compile(r"\d{12}\.dkr\.ecr\.[\w.-]+/[\w./-]+(?::[\w.-]+|@sha256:[0-9a-f]{64})")


@dataclass(frozen=True)
class SageMakerEndpoint:
    """An endpoint.

    Attributes:
        endpoint: its name; it is made if it is not there.
        image: the server's image in ECR.
        role_arn: the role that SageMaker takes to read the version.
        model_name: in logs and answers; the endpoint's name by default.
        instance_type: of the machines.
        instances: how many.
        region: None: the environment's.
        wait_seconds: the longest wait until the endpoint serves the version; 0: none.
    """

    KIND: ClassVar[str] = "sagemaker"

    endpoint: str
    image: str
    role_arn: str
    model_name: str | None = None
    instance_type: str = "ml.m5.large"
    instances: int = 1
    region: str | None = None
    wait_seconds: float = 1800.0

    def problems(self, destination: str) -> list[str]:
        """What is wrong with the settings."""
        found = []
        if not _NAME.fullmatch(self.endpoint):
            found.append(f"endpoint: expected letters, digits and '-', at most 41, got {self.endpoint!r}")
        if not _IMAGE.fullmatch(self.image):
            found.append(f"image: expected <account>.dkr.ecr.<region>.amazonaws.com/<name>:<tag>, got {self.image!r}")
        if not _ROLE.fullmatch(self.role_arn):
            found.append(f"role_arn: expected arn:aws:iam::<account>:role/<name>, got {self.role_arn!r}")
        if not destination.startswith("s3://"):
            found.append(f"SageMaker reads from s3:// alone: the push destination is {destination!r}")
        if self.instances < 1:
            found.append(f"instances: expected 1 or more, got {self.instances}")
        if not self.wait_seconds >= 0:
            found.append(f"wait_seconds: expected 0 or more, got {self.wait_seconds}")
        return found

    def check(self, environment: Mapping[str, str]) -> None:
        """Asks whether the endpoint is at rest; see `PushTarget.check`."""
        found = _found(_client(self.region).describe_endpoint, EndpointName=self.endpoint)
        if found is not None and found["EndpointStatus"] not in ("InService", "OutOfService", "Failed"):
            raise ArtifactError(f"the endpoint {self.endpoint} is {found['EndpointStatus']}: it takes no version now")

    def push(self, version: Version, environment: Mapping[str, str]) -> dict[str, Any]:
        """Makes model and configuration where they are not there, moves the endpoint, waits until it serves."""
        client, name = _client(self.region), f"{self.endpoint}-{version.number}"
        if _found(client.describe_model, ModelName=name) is None:
            _asked(client.create_model, ModelName=name, ExecutionRoleArn=self.role_arn,
                   PrimaryContainer=self._container(version))  # fmt: skip
        version.done.append(f"the model {name} is there")
        if _found(client.describe_endpoint_config, EndpointConfigName=name) is None:
            variant = {"VariantName": "all", "ModelName": name, "InstanceType": self.instance_type,
                       "InitialInstanceCount": self.instances}  # fmt: skip
            _asked(client.create_endpoint_config, EndpointConfigName=name, ProductionVariants=[variant])
        version.done.append(f"the endpoint configuration {name} is there")
        current = _found(client.describe_endpoint, EndpointName=self.endpoint)
        if current is None:
            _asked(client.create_endpoint, EndpointName=self.endpoint, EndpointConfigName=name)
        elif current.get("EndpointConfigName") != name:
            _asked(client.update_endpoint, EndpointName=self.endpoint, EndpointConfigName=name)
        version.done.append(f"the endpoint {self.endpoint} was asked to serve {name}")
        if self.wait_seconds:
            until_done(lambda: self._served(client, name), self.wait_seconds, f"the endpoint {self.endpoint}")
        return {"endpoint": self.endpoint, "model": name, "endpoint_config": name}

    def _container(self, version: Version) -> dict[str, Any]:
        source = {"S3Uri": version.uri.rstrip("/") + "/", "S3DataType": "S3Prefix", "CompressionType": "None"}
        return {
            "Image": self.image,
            "ModelDataSource": {"S3DataSource": source},
            "Environment": {
                "TRUELINE_MODEL_NAME": self.model_name or self.endpoint,
                "TRUELINE_MODEL_VERSION": str(version.number),
            },
        }

    def _served(self, client: Any, name: str) -> bool | None:
        found = _found(client.describe_endpoint, EndpointName=self.endpoint)
        status = "deleted" if found is None else found["EndpointStatus"]
        if found is not None and status == "InService":
            if found.get("EndpointConfigName") == name:
                return True
            raise ArtifactError(f"SageMaker went back to {found.get('EndpointConfigName')}: {name} did not come up")
        if status in ("deleted", "Failed", "RollingBack", "UpdateRollbackFailed", "OutOfService"):
            reason = (found or {}).get("FailureReason", "it gave no reason")
            raise ArtifactError(f"the endpoint {self.endpoint} is {status}: {reason}")
        return None


def _client(region: str | None) -> Any:
    try:
        from botocore.config import Config
        from botocore.exceptions import BotoCoreError
        from botocore.session import get_session
    except ImportError:
        raise ConfigError("SageMaker needs botocore", hint="pip install botocore; s3fs brings it.") from None
    try:
        session = get_session()
        if session.get_credentials() is None:
            raise ConfigError("there are no AWS credentials", hint="set AWS_ACCESS_KEY_ID and so on, or AWS_PROFILE.")
        config = Config(retries={"mode": "standard", "max_attempts": 3})
        return session.create_client("sagemaker", region_name=region, config=config)
    except BotoCoreError as error:
        raise ConfigError(f"AWS cannot be asked: {error}") from None


def _asked(call: Callable[..., Any], **arguments: Any) -> dict[str, Any]:
    from botocore.exceptions import BotoCoreError, ClientError

    try:
        found: dict[str, Any] = call(**arguments)
    except (BotoCoreError, ClientError) as error:
        raise ArtifactError(f"SageMaker: {error}"[:1000]) from None
    return found


def _found(call: Callable[..., Any], **arguments: Any) -> dict[str, Any] | None:
    """What is there; None where SageMaker could not find it."""
    from botocore.exceptions import BotoCoreError, ClientError

    try:
        found: dict[str, Any] = call(**arguments)
    except ClientError as error:
        told = error.response.get("Error", {})
        if told.get("Code") == "ValidationException" and "could not find" in str(told.get("Message", "")).lower():
            return None
        raise ArtifactError(f"SageMaker: {error}"[:1000]) from None
    except BotoCoreError as error:
        raise ArtifactError(f"SageMaker: {error}"[:1000]) from None
    return found
