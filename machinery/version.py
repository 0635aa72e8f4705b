"""What this is, for those who ask a running part: the same words in every answer.

`VERSION` is pyproject.toml's (a test compares them; asking the installed package costs 40 ms). `KUBERNETES_VERSION`
is the API level spoken, with our name behind it as build metadata, so that clients which compare versions agree.
"""

VERSION = "0.1.0"
KUBERNETES_VERSION = "v1.36.0+kctl"
