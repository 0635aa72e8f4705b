"""The spawner: one small process per node that makes sandboxes and containers and outlives the agent.

    agent ── unix socket (wire.py) ── spawner ──┬── containers (clone3, child.py)
                                                └── netmaker (netns and veth pairs made ahead)

One thread, few imports, no typed seam of the agent's side: every container is a fork of this process,
so what it loads is paid with each. The agent may die, restart or be replaced; the spawner keeps the
containers, their output and their exit codes (state directory), and tells whoever connects next.

The containers' fate when the spawner itself dies: they die with it (parent death signal, and what is left
is killed through its cgroup by the next spawner), and are recorded as killed. A container whose output
nobody reads and whose exit nobody sees would be worse than one that its pod restarts.
"""
