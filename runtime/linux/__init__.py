"""The kernel's doors: system calls, mounts, namespaces, capabilities, seccomp, netlink.

Imported by the spawner, whose memory every container's fork copies: nothing here imports more than the
standard library's small modules.
"""
