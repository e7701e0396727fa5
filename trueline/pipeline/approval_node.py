"""`Approval`: a node at which the line waits until somebody says yes."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, Literal, Self, get_args
from urllib.parse import urlsplit

from trueline._core.errors import did_you_mean
from trueline.pipeline.artifacts import JsonValue
from trueline.pipeline.channel import Channel
from trueline.pipeline.node import Component, In, Out
from trueline.pipeline.placeholders import Placeholder, Secret

__all__ = ["Approval", "OnTimeout"]

OnTimeout = Literal["reject", "approve", "fail"]


class Approval(Component):
    """Waits for a person's decision. What comes after it runs only when it was approved.

        approval = Approval("Push this model?", model=trainer.outputs["model"], timeout=86_400)
        pusher = Pusher(model=trainer.outputs["model"], ...).after(approval)

    Somebody decides with ``trueline approve RUN NODE`` (or ``--reject``), or through `listen`. The output ``decision``
    holds ``{"approved", "by", "comment"}``. A rejection closes the gate: the node fails, nothing after it runs, and
    `trueline run` ends with 3. It is never taken from the cache. A run that is taken up again goes on with the same
    question; a decision that was made meanwhile counts.

    Args:
        question: what is asked; text, or an expression that comes to text.
        about: what is to be looked at: a channel, or a list of channels.
        timeout: seconds until time is up; None waits for ever.
        on_timeout: what happens then: ``reject``, ``approve``, or ``fail`` (an error, and no decision).
        webhook: an address that is told of the question by a POST of JSON. One with a password or a key in it must be
            a `Secret`.
        slack: a Slack incoming web hook, always a `Secret`: the address is the key to the channel.
        listen: ``host:port`` where this process takes decisions while it waits: a POST of JSON ``{"token", "decision",
            "by", "comment"}``. The token stands in the message to `webhook` alone, so that one is needed too.
        node_id: the node's name.
        inputs: further artifacts to be looked at, by a name of your own.
    """

    SYSTEM = "approval"
    OUTPUTS: ClassVar[Mapping[str, Out]] = {"decision": Out(JsonValue)}

    def __init__(
        self,
        question: str | Placeholder,
        about: Channel | Sequence[Channel] | None = None,
        *,
        timeout: float | None = None,
        on_timeout: OnTimeout = "reject",
        webhook: str | Placeholder | None = None,
        slack: Secret | None = None,
        listen: str | None = None,
        node_id: str | None = None,
        **inputs: Channel | Sequence[Channel],
    ) -> None:
        params: dict[str, Any] = {"question": question, "timeout": timeout, "on_timeout": on_timeout}
        more: dict[str, Any] = {"webhook": webhook, "slack": slack, "listen": listen}
        wrong = _problems(params, more)
        kept = {} if wrong else {name: value for name, value in more.items() if value is not None}
        super().__init__(node_id=node_id, params={**params, **kept})
        for problem in wrong:
            self.note(problem)
        wired = {**_by_type(about), **inputs}
        for key, given in wired.items():
            kinds = {channel.type for channel in _channels(given) if channel.type is not None}
            if len(kinds) > 1:
                self.note(f"input {key!r} mixes {', '.join(sorted(k.TYPE_NAME for k in kinds))}; give them as about=")
            self.declared_inputs[key] = In(next(iter(kinds), JsonValue))
        self._wire(wired)

    def with_settings(self, **settings: Any) -> Self:
        """As for every node; how long it waits is an argument of its own."""
        if "timeout" in settings:
            self.note("takes its time-out as Approval(timeout=...), not as a setting", caller=True)
        return super().with_settings(**{name: value for name, value in settings.items() if name != "timeout"})


def _channels(given: object) -> list[Channel]:
    items = given if isinstance(given, list | tuple) else [given]
    return [item for item in items if isinstance(item, Channel)]


def _by_type(about: Channel | Sequence[Channel] | None) -> dict[str, Any]:
    """One input of an artifact type each: ``about``, or ``about_Model`` and so on where there are several types."""
    if about is None:
        return {}
    channels = _channels(about)
    kinds = list(dict.fromkeys(channel.type.TYPE_NAME for channel in channels if channel.type is not None))
    if len(kinds) < 2 or not isinstance(about, list | tuple) or len(channels) < len(about):
        return {"about": about}
    return {
        f"about_{kind}": [
            channel for channel in channels if channel.type is not None and kind == channel.type.TYPE_NAME
        ]
        for kind in kinds
    }


def _problems(params: Mapping[str, Any], more: Mapping[str, Any]) -> list[str]:
    question, timeout, on_timeout = params["question"], params["timeout"], params["on_timeout"]
    webhook, slack, listen = more["webhook"], more["slack"], more["listen"]
    found = []
    if not isinstance(question, Placeholder) and not (isinstance(question, str) and question.strip()):
        found.append(f"needs a question, not {question!r}")
    number = isinstance(timeout, int | float) and not isinstance(timeout, bool) and math.isfinite(timeout)
    if timeout is not None and not isinstance(timeout, Placeholder) and not (number and timeout > 0):
        found.append(f"has timeout={timeout!r}; seconds above 0 are needed")
    if on_timeout not in get_args(OnTimeout):
        found.append(f"has on_timeout={on_timeout!r}. {did_you_mean(str(on_timeout), get_args(OnTimeout))}")
    if webhook is not None and not isinstance(webhook, Placeholder):
        found += _webhook_problems(webhook)
    if slack is not None and not isinstance(slack, Secret):
        found.append("was given slack=, which is a key to the channel and would be kept and shown: give Secret('NAME')")
    if listen is not None and (not isinstance(listen, str) or address(listen) is None):
        found.append(f"cannot listen at {listen!r}; give host:port, as in 127.0.0.1:8700")
    if listen is not None and webhook is None:
        found.append("listens, but needs a webhook too, which alone is told the token")
    return found


def _webhook_problems(webhook: object) -> list[str]:
    try:
        parts = urlsplit(webhook) if isinstance(webhook, str) else None
        good = parts is not None and parts.scheme in ("http", "https") and bool(parts.hostname)
    except ValueError:
        parts, good = None, False
    if not good or parts is None:
        return ["has a webhook that is no address; it begins with http:// or https://"]
    if parts.username or parts.password or parts.query:
        return ["has a webhook with a password or a key, which would be kept and shown: give Secret('NAME')"]
    return []


def address(listen: str) -> tuple[str, int] | None:
    """``host:port`` in its parts, or None; an IPv6 host stands in brackets."""
    host, colon, port = listen.rpartition(":")
    if not colon or not host or not port.isdecimal() or not port.isascii() or int(port) > 65535:
        return None
    return host.removeprefix("[").removesuffix("]"), int(port)
