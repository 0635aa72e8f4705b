"""Makes a container's image present, by its pull policy, with a back-off after failures.

Waiting reasons, events and their wording are the kubelet's. Credentials come from the pod's imagePullSecrets.
"""

from __future__ import annotations

import base64
import binascii
import contextlib
from collections.abc import Iterable
from dataclasses import dataclass

import orjson

from machinery.clock import Clock
from nodeagent import podspec
from nodeagent.pod.events import PodEvents
from nodeagent.podspec import Obj, Role
from nodeagent.state.backoff import INITIAL_S, MAX_S, Backoff
from runtime.cri import Auth, ImageFailure, ImageService


class PullFailure(Exception):
    """The image is not there. `reason` is the container's waiting reason; `retry_at` when to ask again."""

    def __init__(self, reason: str, message: str, retry_at: float) -> None:
        super().__init__(message)
        self.reason = reason
        self.retry_at = retry_at


@dataclass(frozen=True, slots=True)
class PulledImage:
    id: str
    user: str


def pull_policy(container: Obj) -> str:
    policy = container.get("imagePullPolicy")
    if policy:
        return str(policy)
    image = container.get("image", "")
    tag = image.rsplit("/", 1)[-1].partition(":")[2]
    return "Always" if "@" not in image and tag in ("", "latest") else "IfNotPresent"


def credentials(image: str, secrets: Iterable[Obj | None]) -> list[Auth]:
    """What the pull secrets hold for the image's registry, in order. Secrets that cannot be read are skipped."""
    registry, path = _registry_of(image)
    found: list[Auth] = []
    for secret in secrets:
        for server, entry in _auths(secret or {}).items():
            host, _, prefix = server.removeprefix("https://").removeprefix("http://").partition("/")
            host = "docker.io" if host in ("index.docker.io", "registry-1.docker.io") else host
            prefix = "" if prefix.rstrip("/") in ("v1", "v2") else prefix.rstrip("/")
            if host == registry and path.startswith(prefix):
                found.append(_auth(entry))
    return found


class ImagePuller:
    """One for the node; the back-off is kept per pod and image."""

    def __init__(self, images: ImageService, clock: Clock, events: PodEvents) -> None:
        self._images = images
        self._clock = clock
        self._events = events
        self._backoffs: dict[tuple[str, str], Backoff] = {}
        self._causes: dict[tuple[str, str], str] = {}

    async def ensure(
        self, pod: Obj, role: Role, container: Obj, secrets: Iterable[Obj | None] = ()
    ) -> PulledImage:
        """Raises PullFailure."""
        image, policy = container.get("image", ""), pull_policy(container)
        key = (podspec.uid_of(pod), image)
        try:
            present = await self._images.image_status(image)
        except ImageFailure as failure:
            raise self._failed(pod, role, container, image, key, failure) from failure
        if present is not None and policy != "Always":
            text = f'Container image "{image}" already present on machine'
            self._events.normal(pod, "Pulled", text, role, container)
            self._forget(key)
            return PulledImage(present.id, present.user)
        if policy == "Never":
            message = f'Container image "{image}" is not present with pull policy of Never'
            self._events.warning(pod, "ErrImageNeverPull", message, role, container)
            raise PullFailure("ErrImageNeverPull", message, self._clock.now() + INITIAL_S)
        self._refuse_while_backing_off(pod, role, container, image, key)
        return await self._pull(pod, role, container, image, key, list(secrets))

    def drop(self, uid: str) -> None:
        for key in [key for key in self._backoffs if key[0] == uid]:
            self._forget(key)

    async def _pull(
        self,
        pod: Obj,
        role: Role,
        container: Obj,
        image: str,
        key: tuple[str, str],
        secrets: list[Obj | None],
    ) -> PulledImage:
        self._events.normal(pod, "Pulling", f'Pulling image "{image}"', role, container)
        started = self._clock.monotonic()
        choices: list[Auth | None] = [*credentials(image, secrets)]
        failure: ImageFailure | None = None
        for auth in choices or [None]:
            try:
                image_id = await self._images.pull_image(image, auth)
                break
            except ImageFailure as error:
                failure = error
        else:
            assert failure is not None
            raise self._failed(pod, role, container, image, key, failure)
        self._forget(key)
        status = await self._images.image_status(image_id)
        took = self._clock.monotonic() - started
        size = f" Image size: {status.size_bytes} bytes." if status else ""
        text = f'Successfully pulled image "{image}" in {took:.3g}s ({took:.3g}s including waiting).{size}'
        self._events.normal(pod, "Pulled", text, role, container)
        return PulledImage(image_id, status.user if status else "")

    def _failed(
        self, pod: Obj, role: Role, container: Obj, image: str, key: tuple[str, str], failure: ImageFailure
    ) -> PullFailure:
        now = self._clock.now()
        before = self._backoffs.get(key)
        delay = INITIAL_S if before is None else min(before.delay_s * 2, MAX_S)
        self._backoffs[key] = Backoff(delay, now)
        self._causes[key] = str(failure)
        reason = failure.reason if failure.reason != "ImageNotFound" else "ErrImagePull"
        self._events.warning(pod, "Failed", f'Failed to pull image "{image}": {failure}', role, container)
        self._events.warning(pod, "Failed", f"Error: {reason}", role, container)
        # Asked again soon: the next answer is that the pull is being backed off.
        return PullFailure(reason, str(failure), now + min(delay, 1.0))

    def _refuse_while_backing_off(
        self, pod: Obj, role: Role, container: Obj, image: str, key: tuple[str, str]
    ) -> None:
        entry = self._backoffs.get(key)
        if entry is None or self._clock.now() >= entry.since + entry.delay_s:
            return
        text = f'Back-off pulling image "{image}"'
        self._events.normal(pod, "BackOff", text, role, container)
        self._events.warning(pod, "Failed", "Error: ImagePullBackOff", role, container)
        cause = self._causes.get(key, "")
        message = f"{text}: {cause}" if cause else text
        # Looked again before the next pull is due: somebody may lay the image in by hand.
        raise PullFailure(
            "ImagePullBackOff", message, min(entry.since + entry.delay_s, self._clock.now() + INITIAL_S)
        )

    def _forget(self, key: tuple[str, str]) -> None:
        self._backoffs.pop(key, None)
        self._causes.pop(key, None)


def _registry_of(image: str) -> tuple[str, str]:
    first, slash, rest = image.partition("/")
    if slash and ("." in first or ":" in first or first == "localhost"):
        return first, rest
    return "docker.io", image if slash else f"library/{image}"


def _auths(secret: Obj) -> dict[str, Obj]:
    data = secret.get("data") or {}
    try:
        if ".dockerconfigjson" in data:
            return dict(orjson.loads(base64.b64decode(data[".dockerconfigjson"])).get("auths") or {})
        if ".dockercfg" in data:
            return dict(orjson.loads(base64.b64decode(data[".dockercfg"])))
    except (ValueError, binascii.Error, AttributeError):
        return {}
    return {}


def _auth(entry: Obj) -> Auth:
    user, password = entry.get("username", ""), entry.get("password", "")
    if entry.get("auth") and not user:
        with contextlib.suppress(ValueError, binascii.Error):
            user, _, password = base64.b64decode(entry["auth"]).decode().partition(":")
    return Auth(user, password, entry.get("registrytoken", "") or entry.get("identitytoken", ""))
