"""A machine joins by a bootstrap token, renews itself, and tokens in Secrets live and die with their account: the API
server with RBAC and the real controllers, in virtual time."""

from __future__ import annotations

import asyncio
import base64
import datetime
import ipaddress
import random
from collections.abc import Awaitable, Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from https_world import key_pem, subject

from apiserver.auth.chain import SecurityOptions
from apiserver.auth.signing import TokenSigner
from apiserver.auth.user import User
from apiserver.composition import make_admission
from apiserver.guard import rbac_guard
from client.client import Client
from client.inprocess import InProcessTransport
from controllers.component import ControllerManager
from controllers.csrsigning import FileSigner
from controllers.token_key import TokenKey
from machinery.clock import rfc3339
from machinery.errors import ApiError, Forbidden, NotFound, Unauthorized
from machinery.gvk import CERTIFICATESIGNINGREQUESTS as CSRS
from machinery.gvk import CONFIGMAPS, GVR, NODES, SECRETS, SERVICEACCOUNTS
from machinery.virtual_loop import DEFAULT_EPOCH_S

Obj = dict[str, Any]
REVIEWS = GVR("authentication.k8s.io", "v1", "tokenreviews", namespaced=False, kind="TokenReview")
TOKEN = "abcdef.0123456789abcdef"
JOINING = "system:bootstrappers:kubeadm:default-node-token"
CLIENT_USES, SERVER_USES = ["digital signature", "client auth"], ["digital signature", "server auth"]


def write_ca(folder: Path) -> None:
    """A CA that is good in the loop's time."""
    key = ec.generate_private_key(ec.SECP256R1())
    now = datetime.datetime.fromtimestamp(DEFAULT_EPOCH_S, datetime.UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(subject("ca"))
        .issuer_name(subject("ca"))
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=400))
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .sign(key, hashes.SHA256())
    )
    (folder / "ca.crt").write_bytes(made.public_bytes(serialization.Encoding.PEM))
    (folder / "ca.key").write_bytes(key_pem(key))
    (folder / "sa.key").write_bytes(key_pem(ec.generate_private_key(ec.SECP256R1())))


class World:
    def __init__(self, api: Any, folder: Path) -> None:
        self.api = api
        self.admin: Client = api.client
        self.clock = api.clock
        self.folder = folder

    def as_user(self, name: str, *groups: str) -> Client:
        return Client(InProcessTransport(self.api.server.app, User(name, (*groups, "system:authenticated"))))

    async def as_token(self, token: str) -> User:
        """Raises Unauthorized."""
        made = await self.admin.create(REVIEWS, {"spec": {"token": token}})
        if not made["status"].get("authenticated"):
            raise Unauthorized(made["status"].get("error", ""))
        user = made["status"]["user"]
        return User(user["username"], tuple(user["groups"]))

    async def until(self, found: Callable[[], Awaitable[Any]], limit_s: float = 30.0) -> Any:
        for _ in range(int(limit_s / 0.1)):
            if value := await found():
                return value
            await self.clock.sleep(0.1)
        raise AssertionError("it did not come")

    async def request(
        self,
        client: Client,
        signer: str,
        common_name: str,
        usages: Sequence[str],
        names: Sequence[str] = (),
        **spec: Any,
    ) -> str:
        key = ec.generate_private_key(ec.SECP256R1())
        builder = x509.CertificateSigningRequestBuilder().subject_name(
            subject(common_name, ("system:nodes",))
        )
        if names:
            alternatives = [x509.IPAddress(ipaddress.ip_address(name)) for name in names]
            builder = builder.add_extension(x509.SubjectAlternativeName(alternatives), critical=False)
        pem = builder.sign(key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM)
        said = {
            "request": base64.b64encode(pem).decode(),
            "signerName": f"kubernetes.io/{signer}",
            "usages": list(usages),
        }
        made = await client.create(CSRS, {"metadata": {"generateName": "csr-"}, "spec": {**said, **spec}})
        return str(made["metadata"]["name"])

    async def issued(self, name: str) -> x509.Certificate:
        async def certificate() -> str | None:
            status = (await self.admin.get(CSRS, name)).get("status") or {}
            if any(each["type"] == "Failed" for each in status.get("conditions") or ()):
                raise AssertionError(status)
            text: str | None = status.get("certificate")
            return text

        return x509.load_pem_x509_certificate(base64.b64decode(await self.until(certificate)))

    async def conditions(self, name: str) -> list[tuple[str, str]]:
        status = (await self.admin.get(CSRS, name)).get("status") or {}
        return [(each["type"], each.get("reason", "")) for each in status.get("conditions") or ()]


@pytest.fixture
def in_world(run_api: Callable[..., None], tmp_path: Path) -> Callable[..., None]:
    def run(body: Callable[[World], Awaitable[None]]) -> None:
        write_ca(tmp_path)

        def make(engine: Any) -> Any:
            return rbac_guard(
                engine,
                signer=TokenSigner((tmp_path / "sa.key").read_bytes(), "https://kubernetes.default.svc"),
                clock=engine.clock,
                rng=random.Random(3),
                make_admission=make_admission,
                options=SecurityOptions(bootstrap_tokens=True),
            )

        async def main(api: Any) -> None:
            world = World(api, tmp_path)
            manager = ControllerManager(
                world.as_user("system:kube-controller-manager"),
                api.clock,
                random.Random(5),
                ca_bundle="PEM",
                public_server="https://10.0.0.1:6443",
                signer=FileSigner(tmp_path / "ca.crt", tmp_path / "ca.key"),
                sign_claims=TokenKey(tmp_path / "sa.key"),
                only=["csrapproving", "csrsigning", "csrcleaner", "tokencleaner", "bootstrapsigner", "serviceaccount-token"],
            )  # fmt: skip
            running = asyncio.ensure_future(manager.run())
            await world.until(partial(_synced, manager))
            try:
                await body(world)
            finally:
                running.cancel()
                await asyncio.gather(running, return_exceptions=True)

        run_api(main, guard=make)

    return run


async def _synced(manager: ControllerManager) -> bool:
    return manager.has_synced()


def bootstrap_secret(expiration: float) -> Obj:
    data = {
        "token-id": "abcdef",
        "token-secret": "0123456789abcdef",
        "usage-bootstrap-authentication": "true",
        "usage-bootstrap-signing": "true",
        "auth-extra-groups": JOINING,
        "expiration": rfc3339(expiration),
    }
    return {
        "metadata": {"name": "bootstrap-token-abcdef", "namespace": "kube-system"},
        "type": "bootstrap.kubernetes.io/token",
        "stringData": data,
    }


def test_machine_joins_by_its_token_and_renews_itself(in_world: Callable[..., None]) -> None:
    async def body(world: World) -> None:
        await world.admin.create(SECRETS, bootstrap_secret(world.clock.now() + 3600))
        joining = await world.as_token(TOKEN)
        assert joining.name == "system:bootstrap:abcdef" and JOINING in joining.groups
        machine = world.as_user(joining.name, *joining.groups)
        name = await world.request(machine, "kube-apiserver-client-kubelet", "system:node:n1", CLIENT_USES)
        made = await world.issued(name)
        assert made.subject == subject("system:node:n1", ("system:nodes",))
        uses = made.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
        assert list(uses) == [x509.ExtendedKeyUsageOID.CLIENT_AUTH]
        assert not made.extensions.get_extension_for_class(x509.BasicConstraints).value.ca
        life = made.not_valid_after_utc - made.not_valid_before_utc
        assert life == datetime.timedelta(days=365)
        assert await world.conditions(name) == [("Approved", "AutoApproved")]

        node = world.as_user("system:node:n1", "system:nodes")
        renewed = await world.request(
            node, "kube-apiserver-client-kubelet", "system:node:n1", CLIENT_USES, expirationSeconds=3600
        )
        ends = (await world.issued(renewed)).not_valid_after_utc.timestamp()
        assert ends == pytest.approx(world.clock.now() + 3600, abs=5)

        await world.admin.create(NODES, {"metadata": {"name": "n1"}})
        there = await world.admin.get(NODES, "n1")
        there["status"] = {"addresses": [{"type": "InternalIP", "address": "10.0.0.7"}]}
        await world.admin.update(NODES, there, subresource="status")
        serving = await world.request(node, "kubelet-serving", "system:node:n1", SERVER_USES, ["10.0.0.7"])
        names = (await world.issued(serving)).extensions.get_extension_for_class(x509.SubjectAlternativeName)
        assert [str(ip) for ip in names.value.get_values_for_type(x509.IPAddress)] == ["10.0.0.7"]
        foreign = await world.request(node, "kubelet-serving", "system:node:n1", SERVER_USES, ["10.0.0.8"])
        await world.clock.sleep(5)
        assert not (await world.admin.get(CSRS, foreign)).get("status")  # neither approved nor signed

    in_world(body)


def test_nobody_else_is_approved_and_a_wrong_one_fails(in_world: Callable[..., None]) -> None:
    async def body(world: World) -> None:
        jane = world.as_user("jane")
        with pytest.raises(Forbidden):
            await world.request(jane, "kube-apiserver-client-kubelet", "system:node:n1", CLIENT_USES)
        rules = [
            {
                "verbs": ["create"],
                "apiGroups": ["certificates.k8s.io"],
                "resources": ["certificatesigningrequests"],
            }
        ]
        rbac = partial(GVR, "rbac.authorization.k8s.io", "v1")
        await world.admin.create(
            rbac("clusterroles", namespaced=False), {"metadata": {"name": "asks"}, "rules": rules}
        )
        await world.admin.create(
            rbac("clusterrolebindings", namespaced=False),
            {
                "metadata": {"name": "asks"},
                "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "asks"},
                "subjects": [{"apiGroup": "rbac.authorization.k8s.io", "kind": "User", "name": "jane"}],
            },
        )
        name = await world.request(jane, "kube-apiserver-client-kubelet", "system:node:n1", CLIENT_USES)
        await world.clock.sleep(5)
        assert not (await world.admin.get(CSRS, name)).get("status")
        wrong = await world.request(world.admin, "kubelet-serving", "system:node:n1", SERVER_USES)
        there = await world.admin.get(CSRS, wrong)
        there["status"] = {"conditions": [{"type": "Approved", "status": "True"}]}
        await world.admin.update(CSRS, there, subresource="approval")
        await world.clock.sleep(5)
        assert ("Failed", "SignerValidationFailure") in await world.conditions(wrong)
        await world.clock.sleep(3601)
        with pytest.raises(NotFound):
            await world.admin.get(CSRS, wrong)

    in_world(body)


def test_cluster_info_is_signed_while_the_token_lives(in_world: Callable[..., None]) -> None:
    async def body(world: World) -> None:
        await world.admin.create(SECRETS, bootstrap_secret(world.clock.now() + 60))

        async def signed() -> Obj | None:
            try:
                data: Obj = (await world.admin.get(CONFIGMAPS, "cluster-info", "kube-public"))["data"]
            except NotFound:
                return None
            return data if "jws-kubeconfig-abcdef" in data else None

        data = await world.until(signed)
        assert "https://10.0.0.1:6443" in data["kubeconfig"]
        anybody = Client(
            InProcessTransport(world.api.server.app, User("system:anonymous", ("system:unauthenticated",)))
        )
        assert (await anybody.get(CONFIGMAPS, "cluster-info", "kube-public"))["data"] == data
        with pytest.raises(Forbidden):
            await anybody.get(CONFIGMAPS, "kube-root-ca.crt", "kube-public")
        await world.clock.sleep(62)
        with pytest.raises(NotFound):
            await world.admin.get(SECRETS, "bootstrap-token-abcdef", "kube-system")
        assert await signed() is None
        with pytest.raises(Unauthorized):
            await world.as_token(TOKEN)

    in_world(body)


def test_token_in_a_secret_lives_with_the_secret_and_its_account(in_world: Callable[..., None]) -> None:
    async def body(world: World) -> None:
        await world.admin.create(SERVICEACCOUNTS, {"metadata": {"name": "builder", "namespace": "default"}})

        async def make(name: str) -> str:
            annotation = {"kubernetes.io/service-account.name": "builder"}
            meta = {"name": name, "namespace": "default", "annotations": annotation}
            await world.admin.create(
                SECRETS, {"metadata": meta, "type": "kubernetes.io/service-account-token"}
            )

            async def token() -> str | None:
                data = (await world.admin.get(SECRETS, name, "default")).get("data") or {}
                found: str | None = data.get("token")
                return found

            return base64.b64decode(await world.until(token)).decode()

        first, second = await make("first"), await make("second")
        for token in (first, second):
            user = await world.as_token(token)
            assert user.name == "system:serviceaccount:default:builder"

        async def noted() -> bool:
            labels = (await world.admin.get(SECRETS, "second", "default"))["metadata"].get("labels") or {}
            today = rfc3339(world.clock.now())[:10]
            return bool(labels.get("kubernetes.io/legacy-token-last-used") == today)

        assert await world.until(noted)
        await world.admin.delete(SECRETS, "first", "default")
        with pytest.raises(Unauthorized, match="invalidated"):
            await world.as_token(first)
        assert (await world.as_token(second)).name == "system:serviceaccount:default:builder"
        await world.admin.delete(SERVICEACCOUNTS, "builder", "default")
        with pytest.raises(Unauthorized):
            await world.as_token(second)

        async def gone() -> bool:
            try:
                await world.admin.get(SECRETS, "second", "default")
            except ApiError:
                return True
            return False

        assert await world.until(gone)

    in_world(body)
