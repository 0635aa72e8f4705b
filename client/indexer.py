"""The objects of one collection in memory, by key and by whatever indexes are asked for.

Objects are shared with every reader: nobody may change one in place. Lists come in the order in
which objects were first stored, so equal histories read equally.
"""

from __future__ import annotations

from collections.abc import Callable, Container, Iterable

from client.client import Obj
from machinery.gvk import Key

IndexFunction = Callable[[Obj], Iterable[str]]
Predicate = Callable[[Obj], bool]


class Indexer:
    """The writing side; readers get its `Lister`."""

    def __init__(self) -> None:
        self._objects: dict[Key, Obj] = {}
        self._namespaces: dict[str, dict[Key, Obj]] = {}
        self._functions: dict[str, IndexFunction] = {}
        # index name → value → key → object; inner dicts keep the order of arrival
        self._indexes: dict[str, dict[str, dict[Key, Obj]]] = {}

    def add_index(self, name: str, function: IndexFunction) -> None:
        """Adding the same name again does nothing: several users may want one index."""
        if name in self._functions:
            return
        self._functions[name] = function
        index = self._indexes.setdefault(name, {})
        for key, obj in self._objects.items():
            for value in function(obj):
                index.setdefault(value, {})[key] = obj

    def get(self, key: Key) -> Obj | None:
        return self._objects.get(key)

    def put(self, key: Key, obj: Obj) -> Obj | None:
        """Stores; returns what stood there."""
        old = self._objects.get(key)
        self._objects[key] = obj
        self._namespaces.setdefault(key.namespace, {})[key] = obj
        for name, function in self._functions.items():
            index = self._indexes[name]
            values = dict.fromkeys(function(obj))
            if old is not None:
                for value in function(old):
                    if value not in values:
                        _drop(index, value, key)
            for value in values:
                index.setdefault(value, {})[key] = obj
        return old

    def remove(self, key: Key) -> Obj | None:
        old = self._objects.pop(key, None)
        if old is None:
            return None
        _drop(self._namespaces, key.namespace, key)
        for name, function in self._functions.items():
            for value in function(old):
                _drop(self._indexes[name], value, key)
        return old

    def missing_from(self, keys: Container[Key]) -> list[Key]:
        """The stored keys that are not among `keys`."""
        return [key for key in self._objects if key not in keys]

    def by_index(self, name: str, value: str) -> list[Obj]:
        return [*self._indexes[name].get(value, {}).values()]

    def list(self, namespace: str | None = None, selector: Predicate | None = None) -> list[Obj]:
        objects = self._objects if namespace is None else self._namespaces.get(namespace, {})
        if selector is None:
            return [*objects.values()]
        return [obj for obj in objects.values() if selector(obj)]

    def __len__(self) -> int:
        return len(self._objects)


class Lister:
    """Read-only view of an Indexer. What it returns is shared: copy before changing."""

    def __init__(self, indexer: Indexer) -> None:
        self._indexer = indexer

    def get(self, namespace: str, name: str) -> Obj | None:
        return self._indexer.get(Key(namespace, name))

    def by_index(self, index: str, value: str) -> list[Obj]:
        return self._indexer.by_index(index, value)

    def list(self, namespace: str | None = None, selector: Predicate | None = None) -> list[Obj]:
        """`namespace` None means all; cluster-scoped objects have namespace ""."""
        return self._indexer.list(namespace, selector)

    def __len__(self) -> int:
        return len(self._indexer)


def _drop(index: dict[str, dict[Key, Obj]], value: str, key: Key) -> None:
    entries = index.get(value)
    if entries is not None:
        entries.pop(key, None)
        if not entries:
            del index[value]
