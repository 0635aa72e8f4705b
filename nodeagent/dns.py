"""A pod's resolver configuration, hosts file and host name. Pure but for `host_dns`, which reads the machine's files.

Source: Kubernetes "DNS for Services and Pods"; kubelet network/dns, kubelet_pods.go.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from ipaddress import ip_address

from nodeagent import podspec
from nodeagent.config import AgentConfig
from nodeagent.podspec import Obj
from runtime.cri import DnsConfig

HOSTNAME_MAX = 63
MAX_NAMESERVERS, MAX_SEARCHES, MAX_SEARCH_CHARS = 3, 32, 2048
# What systemd-resolved itself asks; /etc/resolv.conf then names a resolver on loopback, which no pod reaches.
SYSTEMD_RESOLV_CONF = "/run/systemd/resolve/resolv.conf"
_HEADER = "# Kubernetes-managed hosts file.\n"
_HOST_HEADER = "# Kubernetes-managed hosts file (host network).\n"
_LOOPBACK = (
    "127.0.0.1\tlocalhost\n"
    "::1\tlocalhost ip6-localhost ip6-loopback\n"
    "fe00::0\tip6-localnet\n"
    "fe00::0\tip6-mcastprefix\n"
    "fe00::1\tip6-allnodes\n"
    "fe00::2\tip6-allrouters\n"
)


@dataclass(frozen=True, slots=True)
class PodDns:
    """`warnings` are (reason, message) of events about the pod."""

    config: DnsConfig
    warnings: tuple[tuple[str, str], ...] = ()


def hostname_and_domain(pod: Obj, config: AgentConfig) -> tuple[str, str]:
    """(host name, cluster-wide domain or "")."""
    spec = podspec.spec_of(pod)
    if spec.get("hostnameOverride"):
        return str(spec["hostnameOverride"]), ""
    if podspec.uses_host_network(pod):
        return config.hostname or config.node_name, ""
    short = (spec.get("hostname") or podspec.name_of(pod))[:HOSTNAME_MAX].rstrip("-.")
    subdomain = spec.get("subdomain")
    if not subdomain:
        return short, ""
    domain = f"{subdomain}.{podspec.namespace_of(pod)}.svc.{config.cluster_domain}"
    return short, domain


def kernel_hostname(pod: Obj, config: AgentConfig) -> str:
    """What `hostname` shows: the full name where setHostnameAsFQDN asks for it."""
    short, domain = hostname_and_domain(pod, config)
    if domain and podspec.spec_of(pod).get("setHostnameAsFQDN"):
        return f"{short}.{domain}"
    return short


def parse_resolv_conf(text: str) -> DnsConfig:
    servers: list[str] = []
    searches: list[str] = []
    options: list[str] = []
    for line in text.splitlines():
        words = line.split()
        if not words or words[0][0] in "#;":
            continue
        match words[0]:
            case "nameserver":
                servers += words[1:2]
            case "search":
                searches = [w if w == "." else w.rstrip(".") for w in words[1:]]
            case "options":
                options = words[1:]
    return DnsConfig(tuple(servers), tuple(searches), tuple(options))


def host_dns(read: Callable[[str], str], path: str) -> DnsConfig:
    """The machine's own, as pods can use it. `read` gives a file's text, "" where there is none."""
    found = parse_resolv_conf(read(path))
    if found.servers and all(map(_is_loopback, found.servers)):
        behind = parse_resolv_conf(read(SYSTEMD_RESOLV_CONF))
        return behind if behind.servers else found
    return found


def plan_dns(pod: Obj, config: AgentConfig, host: DnsConfig) -> PodDns:
    """By dnsPolicy, then dnsConfig's additions. ClusterFirst with no cluster DNS falls back to the host's."""
    spec, warnings = podspec.spec_of(pod), []
    policy = spec.get("dnsPolicy") or "ClusterFirst"
    if policy == "None":
        base = DnsConfig()
    elif policy == "Default" or (policy == "ClusterFirst" and podspec.uses_host_network(pod)):
        base = host
    elif config.cluster_dns:
        domain = config.cluster_domain
        own = (f"{podspec.namespace_of(pod)}.svc.{domain}", f"svc.{domain}", domain)
        base = DnsConfig(config.cluster_dns, _unique((*own, *host.searches)), ("ndots:5",))
    else:
        base = host
        about = f"{podspec.name_of(pod)}_{podspec.namespace_of(pod)}({podspec.uid_of(pod)})"
        message = (
            f'pod: "{about}". kubelet does not have ClusterDNS IP configured and cannot create Pod using '
            '"ClusterFirst" policy. Falling back to "Default" policy.'
        )
        warnings.append(("MissingClusterDNS", message))
    extra = spec.get("dnsConfig") or {}
    options = {option.partition(":")[0]: option for option in base.options}
    for option in extra.get("options") or ():
        value = option.get("value")
        options[option["name"]] = f"{option['name']}:{value}" if value is not None else option["name"]
    servers = _unique((*base.servers, *(extra.get("nameservers") or ())))
    searches = _unique((*base.searches, *(extra.get("searches") or ())))
    kept = _fitting(searches)
    for what, wanted, applied, name in (
        ("Nameserver", servers, servers[:MAX_NAMESERVERS], "nameserver"),
        ("Search Line", searches, kept, "search"),
    ):
        if applied != wanted:
            omitted = "nameservers" if name == "nameserver" else "search paths"
            message = (
                f"{what} limits were exceeded, some {omitted} have been omitted, the applied {name} line is: "
                f"{' '.join(applied)}"
            )
            warnings.append(("DNSConfigForming", message))
    return PodDns(DnsConfig(servers[:MAX_NAMESERVERS], kept, tuple(options.values())), tuple(warnings))


def _fitting(searches: tuple[str, ...]) -> tuple[str, ...]:
    """As many from the start as the C library takes."""
    kept = searches[:MAX_SEARCHES]
    while len(" ".join(kept)) > MAX_SEARCH_CHARS:
        kept = kept[:-1]
    return kept


def _is_loopback(server: str) -> bool:
    try:
        return ip_address(server).is_loopback
    except ValueError:
        return False


def hosts_file(pod: Obj, config: AgentConfig, pod_ips: tuple[str, ...], host_file: str = "") -> str:
    """With the host's network, the host's own file; always with the pod's hostAliases at the end."""
    if podspec.uses_host_network(pod):
        text = _HOST_HEADER + host_file
    else:
        short, domain = hostname_and_domain(pod, config)
        names = f"{short}.{domain}\t{short}" if domain else short
        text = _HEADER + _LOOPBACK + "".join(f"{ip}\t{names}\n" for ip in pod_ips)
    aliases = podspec.spec_of(pod).get("hostAliases") or ()
    if aliases:
        text += "\n# Entries added by HostAliases.\n"
        for alias in aliases:
            names = "\t".join(alias.get("hostnames") or ())
            text += f"{alias['ip']}\t{names}\n"
    return text


def _unique(words: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(words))
