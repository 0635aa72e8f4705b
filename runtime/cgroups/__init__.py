"""Limits and accounts of a group of processes, on cgroup v1, hybrid and v2 behind one table.

layout.py finds what the host has, plan.py turns a CRI resource into file writes (pure), tree.py makes,
fills, kills and removes groups, stats.py reads them.
"""
