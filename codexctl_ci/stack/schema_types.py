"""How services.yaml is described: sections as classes, their keys as typed attributes.

A class costs nothing but its definition until a document is read; ``stack.reading`` does that. The modules of the
schema don't say ``from __future__ import annotations``, since their annotations are read.
"""

from collections.abc import Callable
from datetime import timedelta
from typing import Annotated, Any, ClassVar, NamedTuple, Self, dataclass_transform

TextMap = Annotated[dict[str, str], "texts"]
"""Names to strings; a blank one is the empty string."""

Duration = Annotated[timedelta, "duration"]
"""A duration in Go's notation."""

Size = Annotated[int, "size"]
"""A number of bytes: ``5Mi``, ``500k`` or plain."""

REQUIRED: Any = object()
"""The default of a key that must be there."""


class Rules(NamedTuple):
    """What else holds for a key besides its type. ``spelled`` is how it is written where not as the attribute in
    camelCase; ``factory`` makes its default where that must be a new one for each section."""

    default: Any = REQUIRED
    factory: Callable[[], Any] | None = None
    spelled: str = ""
    least: int | None = None
    most: int | None = None
    pattern: str = ""
    examples: tuple[str, ...] = ()

    @property
    def required(self) -> bool:
        """Whether there is no default."""
        return self.default is REQUIRED and self.factory is None


class Key(NamedTuple):
    """One key of a section: the attribute that holds it, and what may stand there."""

    attribute: str
    annotation: Any
    rules: Rules


def key(
    *,
    default: Any = REQUIRED,
    factory: Callable[[], Any] | None = None,
    spelled: str = "",
    least: int | None = None,
    most: int | None = None,
    pattern: str = "",
    examples: tuple[str, ...] = (),
) -> Any:
    """A key with more to it than type and default."""
    return Rules(default, factory, spelled, least, most, pattern, examples)


@dataclass_transform(kw_only_default=True, frozen_default=True, field_specifiers=(key,))
class Section:
    """A mapping in services.yaml: keys in camelCase, none but the known ones, and a blank key is an absent one."""

    blank_counts: ClassVar[frozenset[str]] = frozenset()
    """Keys that say something even when they are left blank."""

    implied: ClassVar[frozenset[str]] = frozenset()
    """Required keys that ``prepared`` may find out from others."""

    _keys: ClassVar[dict[str, Key] | None] = None

    def __init_subclass__(cls) -> None:
        cls._keys = None

    def __init__(self, **values: Any) -> None:
        for name, row in self.keys().items():
            if row.attribute in values:
                self.__dict__[row.attribute] = values.pop(row.attribute)
            elif row.rules.factory is not None:
                self.__dict__[row.attribute] = row.rules.factory()
            elif row.rules.required:
                raise TypeError(f"{type(self).__name__} needs {name}")
            else:
                self.__dict__[row.attribute] = row.rules.default
        if values:
            raise TypeError(f"{type(self).__name__} has no {', '.join(values)}")

    def __eq__(self, other: object) -> bool:
        return type(self) is type(other) and self.__dict__ == other.__dict__

    def __repr__(self) -> str:
        return f"{type(self).__name__}({', '.join(f'{name}={value!r}' for name, value in self.__dict__.items())})"

    def but(self, **changes: Any) -> Self:
        """The same section with other values of some attributes."""
        return type(self)(**{**self.__dict__, **changes})

    @classmethod
    def keys(cls) -> dict[str, Key]:
        """Keys as written in services.yaml, in order."""
        if cls._keys is None:
            found = {}
            for name, annotation in cls.__annotations__.items():
                if getattr(annotation, "__origin__", None) is ClassVar:
                    continue
                rules = cls.__dict__.get(name, REQUIRED)
                rules = rules if isinstance(rules, Rules) else Rules(default=rules)
                found[rules.spelled or _camel(name)] = Key(name, annotation, rules)
            cls._keys = found
        return cls._keys

    @classmethod
    def prepared(cls, data: dict[str, Any]) -> dict[str, Any]:
        """``data`` as written, with what it says between the lines."""
        return data

    def check(self) -> None:
        """Raise ValueError where the keys contradict each other."""


def _camel(name: str) -> str:
    first, *rest = name.split("_")
    return first + "".join(word.capitalize() for word in rest)
