"""A pod's resolver configuration, hosts file and host name. Pure.

Source: Kubernetes "DNS for Services and Pods"; kubelet network/dns, kubelet_pods.go.
"""

from __future__ import annotations

from nodeagent import podspec
from nodeagent.config import AgentConfig
from nodeagent.podspec import Obj
from runtime.cri import DnsConfig

HOSTNAME_MAX = 63
MAX_NAMESERVERS, MAX_SEARCHES = 3, 32
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


def pod_dns(pod: Obj, config: AgentConfig, host: DnsConfig) -> DnsConfig:
    """By dnsPolicy, then dnsConfig's additions. ClusterFirst with no cluster DNS falls back to the host's."""
    spec = podspec.spec_of(pod)
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
    extra = spec.get("dnsConfig") or {}
    options = {option.partition(":")[0]: option for option in base.options}
    for option in extra.get("options") or ():
        value = option.get("value")
        options[option["name"]] = f"{option['name']}:{value}" if value is not None else option["name"]
    return DnsConfig(
        _unique((*base.servers, *(extra.get("nameservers") or ())))[:MAX_NAMESERVERS],
        _unique((*base.searches, *(extra.get("searches") or ())))[:MAX_SEARCHES],
        tuple(options.values()),
    )


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
