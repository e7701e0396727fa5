"""Telling people that a run waits for them: a web hook, a Slack message. A failure is logged and fails nothing."""

from __future__ import annotations

import json
import shlex
import urllib.error
import urllib.request
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from trueline.pipeline.context import ArtifactHandle

__all__ = ["Call", "notify", "slack_message", "webhook_message"]

_SECONDS = 10.0


@dataclass(frozen=True)
class Call:
    """What is asked, of whom.

    Attributes:
        run_id, node_id, pipeline: who asks.
        question: the text.
        about: the artifacts to be looked at.
        expires: when time is up, ISO 8601, or None.
        listen: where decisions are taken, with the token, or None.
    """

    run_id: str
    node_id: str
    pipeline: str
    question: str
    about: Sequence[ArtifactHandle] = ()
    expires: str | None = None
    listen: tuple[str, str] | None = None

    @property
    def command(self) -> str:
        """What one types to approve."""
        return shlex.join(["trueline", "approve", self.run_id, self.node_id])


def webhook_message(call: Call) -> dict[str, Any]:
    """The JSON for a web hook; the token is in no other place."""
    listen = {"listen": {"url": call.listen[0], "token": call.listen[1]}} if call.listen else {}
    return {
        "run": call.run_id,
        "node": call.node_id,
        "pipeline": call.pipeline,
        "question": call.question,
        "approve": call.command,
        "reject": f"{call.command} --reject",
        "artifacts": [{"id": one.id, "type": one.type, "uri": one.uri} for one in call.about],
        "expires": call.expires,
        **listen,
    }


def slack_message(call: Call) -> dict[str, Any]:
    """The text for a Slack incoming web hook, whose three signs of markup are escaped."""
    about = ", ".join(f"{one.type} {one.id}" for one in call.about)
    lines = [
        f"*{_escaped(call.pipeline)}* waits at {_escaped(call.node_id)}: {_escaped(call.question)}",
        *([f"About: {_escaped(about)}"] if about else []),
        *([f"Until: {call.expires}"] if call.expires else []),
        f"Approve: `{_escaped(call.command)}`, or add `--reject`.",
    ]
    return {"text": "\n".join(lines)}


def _escaped(text: str) -> str:
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def notify(targets: Mapping[str, str], call: Call, log: Callable[[str], None]) -> None:
    """Posts the question to all who were named.

    Args:
        targets: addresses by ``webhook`` and ``slack``.
        call: the question.
        log: told how it went, without the addresses.
    """
    makers = {"webhook": webhook_message, "slack": slack_message}
    for name, url in targets.items():
        try:
            status = _post(url, makers[name](call))
            log(f"{name} was told (HTTP {status})")
        except urllib.error.HTTPError as error:
            error.close()
            log(f"{name} could not be told: it answered HTTP {error.code}")
        except Exception as error:
            # The text of an error may hold the address, which may be a secret: its kind is enough.
            reason = getattr(error, "reason", error)
            log(f"{name} could not be told: {type(reason).__name__}")


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    """Another address is not who was named; following would turn the POST into a GET without its message."""

    def redirect_request(self, *args: Any, **kwargs: Any) -> None:
        return None


def _post(url: str, message: Mapping[str, Any]) -> int:
    if urlsplit(url).scheme not in ("http", "https"):
        raise ValueError("no address of the web")
    body = json.dumps(message).encode()
    headers = {"Content-Type": "application/json", "User-Agent": "trueline"}
    request = urllib.request.Request(url, data=body, headers=headers, method="POST")  # noqa: S310 - checked above
    with urllib.request.build_opener(_NoRedirect).open(request, timeout=_SECONDS) as answer:
        return int(answer.status)
