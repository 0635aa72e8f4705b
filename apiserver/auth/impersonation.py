"""Acting as somebody else: Impersonate-User, -Group, -Uid and -Extra-* headers.

The real caller must be allowed the verb `impersonate` on every part of whom they ask to be.
Source: Kubernetes "User impersonation".
"""

from __future__ import annotations

from collections.abc import Mapping
from urllib.parse import unquote

from apiserver.auth.seams import Authorizer, decide
from apiserver.auth.serviceaccounts import service_account_groups, split_user_name
from apiserver.auth.user import ANONYMOUS, Attributes, User
from apiserver.auth.x509 import AUTHENTICATED
from machinery.errors import BadRequest, Forbidden

_USER, _GROUP, _UID = "impersonate-user", "impersonate-group", "impersonate-uid"
_EXTRA = "impersonate-extra-"


async def impersonate(caller: User, headers: Mapping[str, str], authorizer: Authorizer) -> User:
    """Whom the request is made as. `headers` are in lower case, repeated ones joined by newlines.

    Raises BadRequest where no user is named, Forbidden where the caller may not.
    """
    name = headers.get(_USER, "")
    groups = [group for group in headers.get(_GROUP, "").split("\n") if group]
    uid = headers.get(_UID, "")
    extra = {
        unquote(header.removeprefix(_EXTRA)).lower(): value.split("\n")
        for header, value in sorted(headers.items())
        if header.startswith(_EXTRA)
    }
    if not name:
        raise BadRequest("requested impersonation of groups, uid or extra without impersonating a user")
    account = split_user_name(name)
    if account:
        await _check(caller, authorizer, "serviceaccounts", account[1], namespace=account[0])
    else:
        await _check(caller, authorizer, "users", name)
    for group in groups:
        await _check(caller, authorizer, "groups", group)
    if uid:
        await _check(caller, authorizer, "uids", uid, group="authentication.k8s.io")
    for key, values in extra.items():
        for value in values:
            await _check(
                caller, authorizer, "userextras", value, group="authentication.k8s.io", subresource=key
            )
    if not groups and account:
        groups = list(service_account_groups(account[0]))
    if name == ANONYMOUS.name:
        groups += [group for group in ANONYMOUS.groups if group not in groups]
    elif not {AUTHENTICATED, *ANONYMOUS.groups} & set(groups):
        groups.append(AUTHENTICATED)
    return User(name, tuple(groups), uid, extra, caller)


async def _check(
    caller: User,
    authorizer: Authorizer,
    resource: str,
    name: str,
    *,
    group: str = "",
    namespace: str = "",
    subresource: str = "",
) -> None:
    attributes = Attributes(
        caller, "impersonate", group, "v1", resource, subresource, namespace=namespace, name=name
    )
    decision = await decide(authorizer, attributes)
    if decision.allowed:
        return
    full = f"{resource}/{subresource}" if subresource else resource
    where = f' in the namespace "{namespace}"' if namespace else " at the cluster scope"
    reason = f": {decision.reason}" if decision.reason else ""
    raise Forbidden(
        f'{resource} "{name}" is forbidden: User "{caller.name}" cannot impersonate resource "{full}" '
        f'in API group "{group}"{where}{reason}',
        group=group,
        kind=resource,
        name=name,
    )
