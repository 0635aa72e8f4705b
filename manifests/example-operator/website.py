"""A Website is a page served by some pods: a ConfigMap and a Deployment that follow it."""

from controllers.framework import GVR, Context, Key, reconciler, run_operator
from machinery.gvk import CONFIGMAPS, DEPLOYMENTS

WEBSITES = GVR("example.com", "v1", "websites", kind="Website")


@reconciler(WEBSITES, owns=(CONFIGMAPS, DEPLOYMENTS))
async def reconcile(ctx: Context, key: Key) -> None:
    site = ctx.get(key)
    if site is None:
        return  # its ConfigMap and Deployment go with it: it owns them
    spec, labels = site["spec"], {"website": key.name}
    page = {"name": "page", "configMap": {"name": key.name}}
    command = ["busybox", "httpd", "-f", "-p", "8080", "-h", "/www"]
    mounts = [{"name": "page", "mountPath": "/www"}]
    server = {"name": "server", "image": spec["image"], "command": command, "volumeMounts": mounts}
    template = {"metadata": {"labels": labels}, "spec": {"containers": [server], "volumes": [page]}}
    wanted = {"replicas": spec["replicas"], "selector": {"matchLabels": labels}, "template": template}
    await ctx.apply(CONFIGMAPS, {"data": {"index.html": spec["html"]}}, owner=site)
    deployment = await ctx.apply(DEPLOYMENTS, {"spec": wanted}, owner=site)
    status = {"ready": deployment.get("status", {}).get("readyReplicas", 0)}
    if site.get("status") != status:
        await ctx.client.patch(WEBSITES, key.name, {"status": status}, key.namespace, subresource="status")


if __name__ == "__main__":
    raise SystemExit(run_operator(reconcile, name="website-operator"))
