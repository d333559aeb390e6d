"""``index``, ``slice`` and ``len``."""

from __future__ import annotations

from collections.abc import Mapping

from codexctl_ci.templating.context import StringMap
from codexctl_ci.templating.errors import FunctionError
from codexctl_ci.templating.gotext.values import Slice, Uint8, byte_length, decode, encode, type_name


def index(item: object, *indexes: object) -> object:
    """``item[a][b]…``; a key that a map doesn't have gives the zero value, as in Go."""
    if item is None:
        raise FunctionError("index of untyped nil")
    for key in indexes:
        if isinstance(item, str):
            data = encode(item)
            item = Uint8(data[_position(key, len(data) - 1)])
        elif isinstance(item, list | tuple):
            item = item[_position(key, len(item) - 1)]
        elif isinstance(item, Mapping):
            item = _entry(item, key)
        else:
            raise FunctionError(
                "index of nil pointer" if item is None else f"can't index item of type {type_name(item)}"
            )
    return item


def _entry(mapping: Mapping[object, object], key: object) -> object:
    if type_name(mapping) != "map[interface {}]interface {}" and not isinstance(key, str):
        raise FunctionError(f"value has type {type_name(key)}; should be string")
    try:
        return mapping[key]
    except (KeyError, TypeError):
        return "" if isinstance(mapping, StringMap) else None


def _position(key: object, last: int) -> int:
    if isinstance(key, bool) or not isinstance(key, int):
        raise FunctionError(f"cannot index slice/array with {'nil' if key is None else 'type ' + type_name(key)}")
    if not 0 <= key <= last:
        raise FunctionError(f"index out of range: {int(key)}")
    return int(key)


def cut(item: object, *indexes: object) -> object:
    """``item[a:b]`` of a text or list; without ``b`` to its end."""
    if item is None:
        raise FunctionError("slice of untyped nil")
    if len(indexes) > 3:
        raise FunctionError(f"too many slice indexes: {len(indexes)}")
    if isinstance(item, str):
        if len(indexes) == 3:
            raise FunctionError("cannot 3-index slice a string")
        data = encode(item)
        start, end = _bounds(indexes, len(data), len(data))
        return decode(data[start:end])
    if not isinstance(item, list | tuple):
        raise FunctionError(f"can't slice item of type {type_name(item)}")
    whole = [*item, *(item.spare if isinstance(item, Slice) else ())]
    start, end = _bounds(indexes, len(item), len(whole))
    capacity = len(whole)
    if len(indexes) == 3:
        capacity = _position(indexes[2], len(whole))
        if end > capacity:
            raise FunctionError(f"invalid slice index: {end} > {capacity}")
    return Slice(whole[start:end], whole[end:capacity])


def _bounds(indexes: tuple[object, ...], length: int, capacity: int) -> tuple[int, int]:
    places = [_position(key, capacity) for key in indexes]
    start = places[0] if places else 0
    end = places[1] if len(places) > 1 else length
    if start > end:
        raise FunctionError(f"invalid slice index: {start} > {end}")
    return start, end


def length(item: object) -> int:
    """Bytes of a text, items of a list, entries of a map."""
    if isinstance(item, str):
        return byte_length(item)
    if isinstance(item, list | tuple | Mapping):
        return len(item)
    raise FunctionError("len of nil pointer" if item is None else f"len of type {type_name(item)}")
