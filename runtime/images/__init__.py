"""Images: references, registries, content by digest, unpacked layers, writable layers, builds."""
