"""What a verb is, and the explicit table of all of them.

A verb's module is imported only when the verb is used: `kctl get pods` must not pay for `kctl apply`.
It defines `USAGE`, `EXAMPLES`, `FLAGS` and `run(options, session) -> int`; optionally `LOCAL = True` (it talks to
no cluster: `run(options)`), `COMMAND_AFTER_DASHES = True` (what follows `--` is a container's command, in
`options.rest`) and `STOP_AT_FIRST_ARG = True`.
"""

from __future__ import annotations

from typing import NamedTuple


class Command(NamedTuple):
    """`subcommands` maps the second word (`rollout status`) to its own module; `sub_aliases` are other words for
    them. `stands_alone`: also a verb without a second word (`create -f`)."""

    name: str
    module: str
    group: str
    summary: str
    subcommands: tuple[tuple[str, str, str], ...] = ()  # (word, module, summary)
    aliases: tuple[str, ...] = ()
    sub_aliases: tuple[tuple[str, str], ...] = ()  # (alias, word)
    stands_alone: bool = False

    def find_sub(self, word: str) -> tuple[str, str] | None:
        """The second word and its module, by the word or an alias."""
        word = dict(self.sub_aliases).get(word, word)
        return next(((name, module) for name, module, _ in self.subcommands if name == word), None)


CLUSTER = "The cluster itself"
BASIC = "Reading and writing objects"
WORKLOADS = "Workloads"
DEBUG = "Looking inside"
SETTINGS = "Settings and more"
PARTS = "The parts of a cluster, each on its own"

COMMANDS: tuple[Command, ...] = (
    Command("up", "kctl.cluster.up", CLUSTER, "Start a cluster, or resume one after a crash or a reboot"),
    Command("down", "kctl.cluster.down", CLUSTER, "Stop a cluster; --delete removes its data"),
    Command("status", "kctl.cluster.status", CLUSTER, "Show what of a cluster runs"),
    Command(
        "node",
        "kctl.cluster.node",
        CLUSTER,
        "Nodes on other machines",
        (("kubeconfig", "kctl.cluster.node_kubeconfig", "Make the credentials with which a machine joins"),),
    ),
    Command(
        "token",
        "kctl.cluster.token",
        CLUSTER,
        "Tokens with which machines join",
        (("create", "kctl.cluster.token_create", "Make a token, and the command that joins with it"),),
    ),
    Command("join", "kctl.cluster.join", CLUSTER, "Make this machine a node of a cluster"),
    Command("leave", "kctl.cluster.leave", CLUSTER, "Stop being a node, and leave nothing of it"),
    Command(
        "doctor", "kctl.cluster.doctor", CLUSTER, "Check what this machine must offer, and how to mend it"
    ),
    Command(
        "images",
        "kctl.cluster.images",
        CLUSTER,
        "Images of a cluster",
        (
            ("list", "kctl.cluster.images_list", "List the images a cluster holds"),
            ("import", "kctl.cluster.images_import", "Import an OCI layout or a docker archive"),
            (
                "build-busybox",
                "kctl.cluster.images_busybox",
                "Build a small image from this machine's busybox",
            ),
        ),
    ),
    Command(
        "store",
        "kctl.cluster.store",
        CLUSTER,
        "Where a cluster keeps its objects",
        (
            ("migrate", "kctl.cluster.store_migrate", "Move a stopped cluster's objects to another store"),
            ("snapshot", "kctl.cluster.store_snapshot", "Write all objects to a file"),
            ("restore", "kctl.cluster.store_restore", "Put a stopped cluster back to a snapshot"),
        ),
    ),
    Command("get", "kctl.verbs.get", BASIC, "Show objects"),
    Command("describe", "kctl.verbs.describe", BASIC, "Show an object with all that belongs to it"),
    Command(
        "create",
        "kctl.verbs.create",
        BASIC,
        "Create objects from files, or one from flags",
        (
            ("namespace", "kctl.verbs.create_namespace", "Create a namespace"),
            ("deployment", "kctl.verbs.create_deployment", "Create a Deployment of an image"),
            ("service", "kctl.verbs.create_service", "Create a Service: clusterip, nodeport, ..."),
            ("configmap", "kctl.verbs.create_configmap", "Create a ConfigMap from files and literals"),
            ("secret", "kctl.verbs.create_secret", "Create a Secret: generic, docker-registry, tls"),
            ("serviceaccount", "kctl.verbs.create_serviceaccount", "Create a ServiceAccount"),
            ("token", "kctl.verbs.create_token", "Ask for a token of a ServiceAccount"),
            ("role", "kctl.verbs.create_role", "Create a Role"),
            ("clusterrole", "kctl.verbs.create_clusterrole", "Create a ClusterRole"),
            ("rolebinding", "kctl.verbs.create_rolebinding", "Give a role to somebody in a namespace"),
            (
                "clusterrolebinding",
                "kctl.verbs.create_clusterrolebinding",
                "Give a role to somebody everywhere",
            ),
            ("job", "kctl.verbs.create_job", "Create a Job of an image or from a CronJob"),
            ("cronjob", "kctl.verbs.create_cronjob", "Create a CronJob of an image"),
            ("quota", "kctl.verbs.create_quota", "Create a ResourceQuota"),
            ("priorityclass", "kctl.verbs.create_priorityclass", "Create a PriorityClass"),
        ),
        sub_aliases=(
            ("ns", "namespace"),
            ("deploy", "deployment"),
            ("dep", "deployment"),
            ("svc", "service"),
            ("cm", "configmap"),
            ("sa", "serviceaccount"),
            ("cj", "cronjob"),
            ("resourcequota", "quota"),
            ("pc", "priorityclass"),
        ),
        stands_alone=True,
    ),
    Command("apply", "kctl.verbs.apply", BASIC, "Make objects be as a file says"),
    Command("delete", "kctl.verbs.delete", BASIC, "Delete objects"),
    Command("edit", "kctl.verbs.edit", BASIC, "Edit an object in your editor"),
    Command("patch", "kctl.verbs.patch", BASIC, "Change fields of an object"),
    Command("replace", "kctl.verbs.replace", BASIC, "Replace objects by files"),
    Command("diff", "kctl.verbs.diff", BASIC, "Show what an apply would change"),
    Command("label", "kctl.verbs.label", BASIC, "Set or remove labels"),
    Command("annotate", "kctl.verbs.annotate", BASIC, "Set or remove annotations"),
    Command("wait", "kctl.verbs.wait", BASIC, "Wait for a condition of objects"),
    Command("scale", "kctl.verbs.scale", WORKLOADS, "Set the number of replicas"),
    Command(
        "rollout",
        "kctl.verbs.rollout",
        WORKLOADS,
        "Watch and steer rollouts",
        (
            ("status", "kctl.verbs.rollout_status", "Watch a rollout until it is done"),
            ("history", "kctl.verbs.rollout_history", "List a rollout's revisions"),
            ("undo", "kctl.verbs.rollout_undo", "Go back to an earlier revision"),
            ("restart", "kctl.verbs.rollout_restart", "Replace all pods"),
            ("pause", "kctl.verbs.rollout_pause", "Hold a rollout"),
            ("resume", "kctl.verbs.rollout_resume", "Let a held rollout go on"),
        ),
    ),
    Command("run", "kctl.verbs.run", WORKLOADS, "Run an image as a pod"),
    Command("expose", "kctl.verbs.expose", WORKLOADS, "Make a Service for a workload"),
    Command(
        "set",
        "kctl.verbs.set_",
        WORKLOADS,
        "Set an image or environment of a workload",
        (
            ("image", "kctl.verbs.set_image", "Set the image of a container"),
            ("env", "kctl.verbs.set_env", "Set environment variables of containers"),
        ),
    ),
    Command("cordon", "kctl.verbs.cordon", WORKLOADS, "Keep new pods off a node"),
    Command("uncordon", "kctl.verbs.uncordon", WORKLOADS, "Let pods onto a node again"),
    Command("drain", "kctl.verbs.drain", WORKLOADS, "Empty a node"),
    Command("taint", "kctl.verbs.taint", WORKLOADS, "Set or remove taints of nodes"),
    Command("logs", "kctl.verbs.logs", DEBUG, "Show what containers print"),
    Command("exec", "kctl.verbs.exec_", DEBUG, "Run a command in a container"),
    Command("attach", "kctl.verbs.attach", DEBUG, "Attach to a running container"),
    Command("cp", "kctl.verbs.cp", DEBUG, "Copy files from and to containers"),
    Command("port-forward", "kctl.verbs.port_forward", DEBUG, "Forward local ports to a pod"),
    Command("events", "kctl.verbs.events", DEBUG, "List events"),
    Command(
        "auth",
        "kctl.verbs.auth",
        DEBUG,
        "Who am I, and what may I do",
        (
            ("can-i", "kctl.verbs.auth_can_i", "Ask whether something is allowed"),
            ("whoami", "kctl.verbs.auth_whoami", "Show who the API server takes you for"),
        ),
    ),
    Command("explain", "kctl.verbs.explain", SETTINGS, "Explain the fields of a kind"),
    Command("api-resources", "kctl.verbs.api_resources", SETTINGS, "List the resources the server knows"),
    Command("api-versions", "kctl.verbs.api_versions", SETTINGS, "List the API versions the server knows"),
    Command("cluster-info", "kctl.verbs.cluster_info", SETTINGS, "Show where the cluster's services are"),
    Command(
        "config",
        "kctl.verbs.config",
        SETTINGS,
        "Read and change the kubeconfig",
        (
            ("view", "kctl.verbs.config_view", "Show the merged kubeconfig"),
            ("current-context", "kctl.verbs.config_current_context", "Show the current context"),
            ("get-contexts", "kctl.verbs.config_get_contexts", "List contexts"),
            ("use-context", "kctl.verbs.config_use_context", "Choose the current context"),
            ("set-context", "kctl.verbs.config_set_context", "Set fields of a context"),
            ("rename-context", "kctl.verbs.config_rename_context", "Give a context another name"),
            ("delete-context", "kctl.verbs.config_delete_context", "Remove a context"),
            ("get-clusters", "kctl.verbs.config_get_clusters", "List clusters"),
            ("set-cluster", "kctl.verbs.config_set_cluster", "Set fields of a cluster"),
            ("delete-cluster", "kctl.verbs.config_delete_cluster", "Remove a cluster"),
            ("get-users", "kctl.verbs.config_get_users", "List users"),
            ("set-credentials", "kctl.verbs.config_set_credentials", "Set fields of a user"),
            ("delete-user", "kctl.verbs.config_delete_user", "Remove a user"),
        ),
    ),
    Command("version", "kctl.verbs.version", SETTINGS, "Show versions of client and server"),
    Command("completion", "kctl.verbs.completion", SETTINGS, "Print a shell's completion script"),
    Command("apiserver", "apiserver.__main__", PARTS, "The API server"),
    Command("scheduler", "scheduler.__main__", PARTS, "The scheduler"),
    Command("controllers", "controllers.__main__", PARTS, "The controllers"),
    Command("network", "network.__main__", PARTS, "The service proxy"),
    Command("nodeagent", "nodeagent.__main__", PARTS, "The node agent"),
)
