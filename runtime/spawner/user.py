"""Who a container runs as: the image's USER or the pod's runAsUser, looked up in the container's own files.

Runs in the child after pivot_root, so a link in the image cannot lead to the host's files.

    "" | name | uid | name:group | uid:gid, groups by name or number

Source: the OCI image spec's config.User, CRI's supplemental_groups_policy (Merge: groups that
/etc/group lists for the user come too; Strict: they do not).
"""

from __future__ import annotations

from typing import Any


class UserError(Exception):
    """No such user or group; the text is shown to people."""


class Identity:
    __slots__ = ("gid", "groups", "home", "uid")

    def __init__(self, uid: int, gid: int, groups: list[int], home: str) -> None:
        self.uid = uid
        self.gid = gid
        self.groups = groups
        self.home = home


def resolve(wanted: dict[str, Any], passwd: str, group: str) -> Identity:
    """`wanted`: uid, gid (None: not set), name (user[:group] text), groups, policy. Texts are the files."""
    users = [line.split(":") for line in passwd.splitlines() if line.count(":") >= 5]
    groups = [line.split(":") for line in group.splitlines() if line.count(":") >= 2]
    text = "" if wanted.get("uid") is not None else str(wanted.get("name") or "")
    user_text, _, group_text = text.partition(":")
    uid, entry = _user(wanted.get("uid"), user_text, users)
    gid = wanted.get("gid")
    if gid is None:
        gid = _group(group_text, groups) if group_text else (int(entry[3]) if entry else 0)
    extra = [int(g) for g in wanted.get("groups") or ()]
    if entry and wanted.get("policy", "Merge") == "Merge":
        members = (g for g in groups if len(g) > 3 and entry[0] in g[3].split(","))
        extra += [int(g[2]) for g in members if g[2].isdigit()]
    kept = list(dict.fromkeys(g for g in [gid, *extra]))
    return Identity(uid, gid, kept, (entry[5] if entry and entry[5] else "/") if entry else "/")


def _user(uid: int | None, text: str, users: list[list[str]]) -> tuple[int, list[str] | None]:
    if uid is None and not text:
        uid = 0
    if uid is None and not text.isdigit():
        for entry in users:
            if entry[0] == text and entry[2].isdigit() and entry[3].isdigit():
                return int(entry[2]), entry
        raise UserError(f"unable to find user {text}: no matching entries in passwd file")
    number = int(text) if uid is None else uid
    for entry in users:
        if entry[2] == str(number) and entry[3].isdigit():
            return number, entry
    return number, None


def _group(text: str, groups: list[list[str]]) -> int:
    if text.isdigit():
        return int(text)
    for entry in groups:
        if entry[0] == text and entry[2].isdigit():
            return int(entry[2])
    raise UserError(f"unable to find group {text}: no matching entries in group file")
