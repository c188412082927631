"""Keeps localstripe's objects in a file, and sorted by kind, so that a sale costs the same after many.

By itself localstripe writes all of them anew at every change, and walks through all of them to list those of a kind,
which it does whenever it shows a charge.
"""

import io
import pickle
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from localstripe.errors import UserError
from localstripe.resources import List, Store, StripeObject, store

_GONE = b""


class _Watched(Store):  # type: ignore[misc]  # the library has no types
    """Notes which objects may have changed, and sorts them by kind."""

    def watch(self) -> None:
        """Begin with what is there."""
        self.touched: set[str] = set()
        self.kinds: dict[str, dict[str, Any]] = {}
        for key, value in self.items():
            self._sort_in(key, value)

    def __setitem__(self, key: str, value: object) -> None:
        dict.__setitem__(self, key, value)
        self._note(key)

    def __delitem__(self, key: str) -> None:
        dict.__delitem__(self, key)
        self._note(key)

    def get(self, key: str, default: Any = None) -> Any:
        """Return an object, which whoever gets it may change."""
        self._note(key)
        return dict.get(self, key, default)

    def pop(self, key: str, *default: Any) -> Any:
        """Take one away."""
        found: Any = dict.pop(self, key, *default)
        self._note(key)
        return found

    def clear(self) -> None:
        """Take all away."""
        for key in list(self):
            del self[key]

    def dump_to_disk(self) -> None:
        """Leave it to the ledger."""

    def _note(self, key: str) -> None:
        self.touched.add(key)
        self._sort_in(key, dict.get(self, key))

    def _sort_in(self, key: str, value: object) -> None:
        kind = self.kinds.setdefault(key.partition(":")[0], {})
        if value is None:
            kind.pop(key, None)
        else:
            kind[key] = value


def _list_all(cls: Any, /, url: str, limit: int | None = None, starting_after: str | None = None, **more: str) -> Any:
    if more:
        raise UserError(400, f"Unexpected {', '.join(more)}")
    listed = List(url, limit=limit, starting_after=starting_after)
    listed._list = list(store.kinds.get(cls.object, {}).values())
    return listed


class Ledger:
    """The file: one pickled `(key, object's pickle)` after the other, of which the last one of a key holds."""

    def __init__(self, file: Path) -> None:
        self._file = file
        self._packed: dict[str, bytes] = {}

    def open(self) -> None:
        """Take up what an earlier run saved, and note from now on what is touched."""
        saved = dict(self._saved())
        self._packed = {key: packed for key, packed in saved.items() if packed != _GONE}
        for key in list(self._packed):
            self._unpacked(key)
        draft = self._file.with_suffix(".draft")
        draft.write_bytes(b"".join(pickle.dumps(entry) for entry in self._packed.items()))
        draft.replace(self._file)
        self._packed.clear()
        store.__class__ = _Watched
        store.watch()
        StripeObject._api_list_all = classmethod(_list_all)

    def save(self) -> None:
        """Append what was touched."""
        touched, store.touched = store.touched, set()
        if touched:
            with self._file.open("ab") as file:
                file.write(b"".join(pickle.dumps((key, _packed(key))) for key in touched))

    def _saved(self) -> Iterator[tuple[str, bytes]]:
        if not self._file.exists():
            return
        with self._file.open("rb") as file:
            while True:
                try:
                    entry = pickle.load(file)  # noqa: S301  our own file in a private folder
                except (EOFError, pickle.UnpicklingError):
                    return  # the end, or what a kill cut short
                if isinstance(entry, tuple):
                    yield entry

    def _unpacked(self, key: str) -> Any:
        found = dict.get(store, key)
        if found is None:
            found = _Unpickler(self._packed[key], self._unpacked).load()
            dict.__setitem__(store, key, found)
        return found


class _Pickler(pickle.Pickler):
    """Names other objects of the store by their keys, so that each stays one object."""

    def __init__(self, file: io.BytesIO, *, key: str) -> None:
        super().__init__(file, protocol=pickle.HIGHEST_PROTOCOL)
        self._key = key

    def persistent_id(self, obj: Any) -> str | None:
        """Return the key of another object that the store has."""
        if not isinstance(obj, StripeObject) or not hasattr(obj, "id"):
            return None
        key = f"{obj.object}:{obj.id}"
        return key if key != self._key and dict.get(store, key) is obj else None


class _Unpickler(pickle.Unpickler):
    def __init__(self, packed: bytes, other: Callable[[str], Any]) -> None:
        super().__init__(io.BytesIO(packed))
        self._other = other

    def persistent_load(self, pid: str) -> Any:
        """Return the other object."""
        return self._other(pid)


def _packed(key: str) -> bytes:
    found = dict.get(store, key)
    if found is None:
        return _GONE
    file = io.BytesIO()
    _Pickler(file, key=key).dump(found)
    return file.getvalue()
