from __future__ import annotations

from pathlib import PurePosixPath
from typing import Any

import pytest

from nodeagent.admission import plan_admission
from nodeagent.config import AgentConfig
from nodeagent.cri_config import container_config, sandbox_config
from nodeagent.cri_resources import cgroup_parent, container_resources, pod_resources
from nodeagent.cri_security import ConfigError, security_context
from nodeagent.dns import (
    SYSTEMD_RESOLV_CONF,
    host_dns,
    hosts_file,
    kernel_hostname,
    parse_resolv_conf,
    plan_dns,
)
from nodeagent.pod.images import credentials, pull_policy
from nodeagent.qos import oom_score_adj, qos_class
from runtime.cri import DnsConfig, SeccompProfile

CONFIG = AgentConfig("node-1", PurePosixPath("/data"), hostname="host-1", cluster_dns=("10.96.0.10",))
HOST = DnsConfig(("1.1.1.1",), ("corp.example",), ("timeout:2",))


def pod(*containers: Any, **spec: Any) -> Any:
    return {
        "metadata": {"name": "p", "namespace": "ns", "uid": "u"},
        "spec": {"containers": list(containers) or [{"name": "main"}], **spec},
    }


def sized(name: str = "main", limits: Any = None, requests: Any = None, **more: Any) -> Any:
    resources = {k: v for k, v in (("limits", limits), ("requests", requests)) if v}
    return {"name": name, "resources": resources, **more}


@pytest.mark.parametrize(
    ("a_pod", "wanted"),
    [
        (pod(), "BestEffort"),
        (pod(sized(requests={"cpu": "1"})), "Burstable"),
        (pod(sized(limits={"cpu": "1", "memory": "1Gi"})), "Guaranteed"),
        (pod(sized(limits={"cpu": "1", "memory": "1Gi"}, requests={"cpu": "500m"})), "Burstable"),
        (pod(sized(limits={"cpu": "1", "memory": "1Gi"}), sized("b")), "Burstable"),
    ],
)
def test_qos_table(a_pod: Any, wanted: str) -> None:
    assert qos_class(a_pod) == wanted


def test_resources_become_cgroup_values() -> None:
    container = sized(limits={"cpu": "500m", "memory": "64Mi"}, requests={"cpu": "250m", "memory": "32Mi"})
    found = container_resources(pod(container), container, CONFIG, 1 << 30)
    assert (found.cpu_shares, found.cpu_quota_us, found.cpu_period_us) == (256, 50_000, 100_000)
    assert found.memory_limit_bytes == 64 << 20 and found.pids_limit == 4096
    assert found.oom_score_adj == 1000 - 1000 * (32 << 20) // (1 << 30)
    bare = container_resources(pod(), {"name": "main"}, CONFIG, 1 << 30)
    assert (bare.cpu_shares, bare.cpu_quota_us, bare.memory_limit_bytes, bare.oom_score_adj) == (
        2,
        0,
        0,
        1000,
    )


def test_pod_cgroup_sums_its_containers() -> None:
    both = pod(
        sized("a", limits={"cpu": "1", "memory": "1Gi"}), sized("b", limits={"cpu": "1", "memory": "1Gi"})
    )
    found = pod_resources(both, CONFIG)
    assert (found.cpu_shares, found.cpu_quota_us, found.memory_limit_bytes) == (2048, 200_000, 2 << 30)
    half = pod(sized("a", limits={"cpu": "1"}), sized("b"))
    assert pod_resources(half, CONFIG).cpu_quota_us == 0
    assert cgroup_parent(both, CONFIG) == "/kctl/node-1/podu"
    assert cgroup_parent(half, CONFIG) == "/kctl/node-1/burstable/podu"
    assert cgroup_parent(pod(), CONFIG) == "/kctl/node-1/besteffort/podu"


def test_init_containers_raise_the_pod_request() -> None:
    inits = [
        sized("proxy", requests={"cpu": "100m"}, restartPolicy="Always"),
        sized("load", requests={"cpu": "2"}),
    ]
    from nodeagent.resources import pod_requests

    assert pod_requests(pod(sized(requests={"cpu": "1"}), initContainers=inits))["cpu"] == 2100


def test_critical_pods_are_killed_last() -> None:
    assert oom_score_adj(pod(priority=2_000_001_000), {"name": "main"}, 1 << 30) == -997


def test_security_contexts_merge_with_the_container_winning() -> None:
    container = {
        "name": "main",
        "securityContext": {
            "runAsUser": 5,
            "capabilities": {"add": ["NET_ADMIN"], "drop": ["cap_chown"]},
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
        },
    }
    a_pod = pod(
        container, securityContext={"runAsUser": 1, "runAsGroup": 2, "fsGroup": 7, "supplementalGroups": [8]}
    )
    found = security_context(a_pod, container)
    assert (found.run_as_user, found.run_as_group, found.supplemental_groups) == (5, 2, (8, 7))
    assert found.add_capabilities == ("NET_ADMIN",) and found.drop_capabilities == ("CHOWN",)
    assert found.no_new_privs and found.readonly_rootfs and found.seccomp == SeccompProfile("RuntimeDefault")
    privileged = security_context(a_pod, {"name": "x", "securityContext": {"privileged": True}})
    assert privileged.seccomp.type == "Unconfined" and privileged.masked_paths == ()


@pytest.mark.parametrize(
    ("context", "user", "message"),
    [
        ({"runAsNonRoot": True}, "", "image will run as root"),
        ({"runAsNonRoot": True}, "0:0", "image will run as root"),
        ({"runAsNonRoot": True}, "app", "non-numeric user (app)"),
        ({"runAsNonRoot": True, "runAsUser": 0}, "5", "breaks non-root policy"),
        ({"runAsNonRoot": True, "runAsUser": 4}, "", ""),
        ({"runAsNonRoot": True}, "1000", ""),
    ],
)
def test_run_as_non_root_is_checked(context: Any, user: str, message: str) -> None:
    a_pod = pod(securityContext=context)
    if not message:
        security_context(a_pod, {"name": "main"}, image_user=user)
        return
    with pytest.raises(ConfigError, match=message.replace("(", r"\(").replace(")", r"\)")):
        security_context(a_pod, {"name": "main"}, image_user=user)


def test_sandbox_and_container_configs() -> None:
    container = {
        "name": "main",
        "image": "web:1",
        "command": ["run", "$(A)"],
        "ports": [{"containerPort": 80, "hostPort": 8080}],
        "lifecycle": {"preStop": {"sleep": {"seconds": 1}}},
    }
    a_pod = pod(
        container, shareProcessNamespace=True, securityContext={"sysctls": [{"name": "a.b", "value": "1"}]}
    )
    box = sandbox_config(a_pod, 2, HOST, CONFIG)
    assert box.attempt == 2 and box.namespaces.pid == "POD" and box.sysctls == {"a.b": "1"}
    assert (box.port_mappings[0].host_port, box.port_mappings[0].container_port) == (8080, 80)
    assert box.log_directory == "/data/logs/pods/ns_p_u"
    made = container_config(
        a_pod,
        "container",
        container,
        attempt=3,
        image_id="sha256:1",
        image_user="",
        env={"A": "x"},
        mounts=(),
        config=CONFIG,
        node_memory_bytes=1,
    )
    assert made.command == ("run", "x") and made.log_path == "main/3.log" and made.image == "sha256:1"
    assert made.annotations["io.kubernetes.container.preStopHandler"] == '{"sleep":{"seconds":1}}'


def pod_dns(pod: Any, config: AgentConfig, host: DnsConfig) -> DnsConfig:
    return plan_dns(pod, config, host).config


def test_dns_policies() -> None:
    first = pod_dns(pod(), CONFIG, HOST)
    assert first.servers == ("10.96.0.10",) and first.options == ("ndots:5",)
    assert first.searches == ("ns.svc.cluster.local", "svc.cluster.local", "cluster.local", "corp.example")
    assert pod_dns(pod(dnsPolicy="Default"), CONFIG, HOST) == HOST
    assert pod_dns(pod(hostNetwork=True), CONFIG, HOST) == HOST
    assert pod_dns(pod(hostNetwork=True, dnsPolicy="ClusterFirstWithHostNet"), CONFIG, HOST).servers == (
        "10.96.0.10",
    )
    own = {"nameservers": ["9.9.9.9"], "options": [{"name": "ndots", "value": "2"}, {"name": "rotate"}]}
    none = pod_dns(pod(dnsPolicy="None", dnsConfig=own), CONFIG, HOST)
    assert none == DnsConfig(("9.9.9.9",), (), ("ndots:2", "rotate"))
    assert pod_dns(pod(dnsConfig=own), CONFIG, HOST).options == ("ndots:2", "rotate")


def test_dns_beyond_the_limits_is_cut_and_told() -> None:
    servers = tuple(f"10.0.0.{number}" for number in range(5))
    many = tuple(f"s{number}.example" for number in range(40))
    planned = plan_dns(pod(dnsPolicy="Default"), CONFIG, DnsConfig(servers, many))
    assert planned.config == DnsConfig(servers[:3], many[:32])
    assert planned.warnings == (
        (
            "DNSConfigForming",
            "Nameserver limits were exceeded, some nameservers have been omitted, the applied nameserver line is: "
            "10.0.0.0 10.0.0.1 10.0.0.2",
        ),
        (
            "DNSConfigForming",
            "Search Line limits were exceeded, some search paths have been omitted, the applied search line is: "
            + " ".join(many[:32]),
        ),
    )
    long = tuple(f"{letter * 200}.example" for letter in "abcdefghijkl")
    assert plan_dns(pod(dnsPolicy="Default"), CONFIG, DnsConfig((), long)).config.searches == long[:9]


def test_cluster_first_without_a_cluster_dns_is_the_machines_and_told() -> None:
    planned = plan_dns(pod(), AgentConfig("node-1", PurePosixPath("/data")), HOST)
    assert planned.config == HOST
    ((reason, message),) = planned.warnings
    assert reason == "MissingClusterDNS" and message.startswith(
        'pod: "p_ns(u)". kubelet does not have ClusterDNS'
    )


def test_resolver_on_loopback_is_passed_by_where_systemd_tells_whom_it_asks() -> None:
    files = {"/etc/resolv.conf": "nameserver 127.0.0.53\noptions edns0\n"}

    def read(path: str) -> str:
        return files.get(path, "")

    assert host_dns(read, "/etc/resolv.conf").servers == ("127.0.0.53",)
    files[SYSTEMD_RESOLV_CONF] = "nameserver 10.0.0.1\nsearch corp.example\n"
    assert host_dns(read, "/etc/resolv.conf") == DnsConfig(("10.0.0.1",), ("corp.example",))
    files["/etc/resolv.conf"] = "nameserver 127.0.0.53\nnameserver 10.0.0.9\n"
    assert host_dns(read, "/etc/resolv.conf").servers == ("127.0.0.53", "10.0.0.9")


def test_resolv_conf_is_parsed() -> None:
    text = "# x\nnameserver 1.1.1.1\nsearch corp.example.\noptions timeout:2\n"
    assert parse_resolv_conf(text) == HOST


def test_hosts_file_and_hostname() -> None:
    a_pod = pod(
        hostname="web",
        subdomain="set",
        setHostnameAsFQDN=True,
        hostAliases=[{"ip": "9.9.9.9", "hostnames": ["a", "b"]}],
    )
    text = hosts_file(a_pod, CONFIG, ("10.0.0.9",))
    assert "10.0.0.9\tweb.set.ns.svc.cluster.local\tweb\n" in text
    assert text.endswith("\n# Entries added by HostAliases.\n9.9.9.9\ta\tb\n")
    assert kernel_hostname(a_pod, CONFIG) == "web.set.ns.svc.cluster.local"
    assert kernel_hostname(pod(hostNetwork=True), CONFIG) == "host-1"
    assert hosts_file(pod(hostNetwork=True), CONFIG, (), "127.0.0.1 x\n").endswith("127.0.0.1 x\n")


@pytest.mark.parametrize(
    ("image", "policy", "wanted"),
    [
        ("web", "", "Always"),
        ("web:latest", "", "Always"),
        ("web:1", "", "IfNotPresent"),
        ("reg:5000/web", "", "Always"),
        ("web@sha256:1", "", "IfNotPresent"),
        ("web", "Never", "Never"),
    ],
)
def test_pull_policy_table(image: str, policy: str, wanted: str) -> None:
    assert pull_policy({"image": image, **({"imagePullPolicy": policy} if policy else {})}) == wanted


def test_pull_credentials_match_the_registry() -> None:
    import base64

    import orjson

    entry = {"auth": base64.b64encode(b"me:secret").decode()}
    blob = orjson.dumps(
        {"auths": {"https://reg.example/v1/": entry, "index.docker.io": {"username": "u", "password": "p"}}}
    )
    secret = {"data": {".dockerconfigjson": base64.b64encode(blob).decode()}}
    assert [a.username for a in credentials("reg.example/a/b:1", [None, secret])] == ["me"]
    assert [a.username for a in credentials("busybox", [secret])] == ["u"]
    assert credentials("other.example/x", [secret, {"data": {".dockercfg": "%%"}}]) == []


NODE: Any = {
    "metadata": {"name": "node-1", "labels": {"disk": "ssd"}},
    "status": {"allocatable": {"cpu": "2", "memory": "4Gi", "pods": "3"}},
}


@pytest.mark.parametrize(
    ("a_pod", "reason"),
    [
        (pod(), ""),
        (pod(nodeSelector={"disk": "ssd"}), ""),
        (pod(nodeSelector={"disk": "hdd"}), "NodeAffinity"),
        (pod(sized(requests={"cpu": "1"})), ""),
        (pod(sized(requests={"cpu": "1500m"})), "OutOfcpu"),
        (pod(sized(requests={"example.com/gpu": "1"})), "OutOfexample.com/gpu"),
        (pod({"name": "m", "ports": [{"containerPort": 1, "hostPort": 80}]}), "NodePorts"),
        (pod(volumes=[{"name": "v", "nfs": {"server": "x", "path": "/"}}]), "UnsupportedVolume"),
        (pod(securityContext={"sysctls": [{"name": "kernel.msgmax", "value": "1"}]}), "SysctlForbidden"),
        (pod(securityContext={"sysctls": [{"name": "net.ipv4.tcp_syncookies", "value": "1"}]}), ""),
        (pod(hostUsers=False), "UnsupportedFeature"),
        (pod(os={"name": "windows"}), "PodOSNotSupported"),
    ],
)
def test_admission_table(a_pod: Any, reason: str) -> None:
    other = pod(
        sized(requests={"cpu": "1"}, ports=[{"containerPort": 1, "hostPort": 80}]),
    )
    refused = plan_admission(a_pod, NODE, [other], CONFIG)
    assert (refused.reason if refused else "") == reason


def test_full_node_refuses_one_more_pod() -> None:
    refused = plan_admission(pod(), NODE, [pod(), pod(), pod()], CONFIG)
    assert refused is not None and refused.reason == "OutOfpods"
