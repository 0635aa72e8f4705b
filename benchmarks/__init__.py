"""What kctl is measured by: `python -m benchmarks [SUBJECT...]`, or `make bench` for all of it.

One file is one subject: a function `measure(bench)` that gives rows (rows.py) and leaves nothing behind. Where a peer
can be run here it is run in the same minute, in alternation; a figure of a peer measured elsewhere says so.
Load goes to loopback only, is bounded, and comes from a process of its own (load.py).

  subjects.py    the list of subjects
  rows.py        Row, Target, Peer, Skipped
  sampling.py    medians, percentiles, alternation
  machine.py     what the figures were taken on
  procfs.py      memory and processor time of processes
  clusters.py    a throw-away cluster, a throw-away API server
  load.py        the load generator, a program of its own
  report.py      table, results/*.json, RESULTS.md
"""
