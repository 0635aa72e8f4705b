"""What a container is, as one frozen value composed from options. Pure; the spawner carries it out."""
