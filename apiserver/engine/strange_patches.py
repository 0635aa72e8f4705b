"""What is strange in a patch itself, whatever it makes of an object: keys that stand twice, and what of a JSON patch's
operations nobody knows. Told in the order of the text, before what the patched object has that its type does not.
"""

from __future__ import annotations

from typing import Any

from apiserver.engine.decode import Parsed
from machinery.codec.json_ import keys_of, told
from machinery.patch import json_patch


def strange_in(kind: str, data: Any, source: Parsed | None) -> list[str]:
    """`kind` as in http/negotiation.BodyType; `data` is what `source` held. A closer look only where something is strange."""
    if source is None:
        return []
    if kind != "json-patch":
        return [f'duplicate field "{path}"' for path in source.duplicates]
    operations = data if isinstance(data, list) else []
    known = all(not isinstance(each, dict) or each.keys() <= json_patch.KEYS for each in operations)
    if known and not source.duplicates:
        return []
    words, ways, skipping = [], [], False
    for key in keys_of(source.text):
        if key.depth == 2:
            skipping = key.name not in json_patch.KEYS  # what is below is not looked at
            if skipping or key.again:
                words.append("unknown" if skipping else "duplicate")
                ways.append(key.way)
        elif key.again and not skipping:
            words.append("duplicate")
            ways.append(key.way)
    return [f'json patch {word} field "{path}"' for word, path in zip(words, told(ways), strict=False)]
