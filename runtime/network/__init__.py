"""A pod's place on the network: addresses, links, host ports. Behaves like the CNI bridge, host-local and portmap plugins."""
