"""The sandbox that Jinja templates run in: what they may reach, and what a missing key does."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any, NoReturn

from jinja2 import FunctionLoader, StrictUndefined, Undefined, pass_context
from jinja2.exceptions import SecurityError
from jinja2.runtime import Context
from jinja2.sandbox import ImmutableSandboxedEnvironment
from jinja2.utils import Namespace

from codexctl_ci.templating import functions
from codexctl_ci.templating.errors import FunctionError, nearest
from codexctl_ci.templating.quoting import quote

MAX_REPEATED = 1_000_000
"""The longest text or list that ``*`` may make."""

MAX_BITS = 4096
"""The largest whole number that ``**`` may make."""


class Missing(StrictUndefined):
    """A key that isn't there: an error as soon as it is used, but false where a condition or ``default`` asks.

    A field of a missing key is the same missing key, so that ``a.b.c | default("x")`` may ask for all of it.
    """

    __slots__ = ()

    @property
    def _undefined_message(self) -> str:
        if self._undefined_hint:
            return self._undefined_hint
        if isinstance(self._undefined_obj, Mapping):
            known = nearest(str(self._undefined_name), self._undefined_obj)
            return f"map has no entry for key {self._undefined_name!r}{known}"
        return str(super()._undefined_message)

    def __bool__(self) -> bool:  # type: ignore[override]
        return False

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        return self

    def __getitem__(self, key: object) -> Any:
        return self


class Now(datetime):
    """The time of loading; calling it gives it again, so that ``now`` and ``now()`` are the same."""

    @classmethod
    def of(cls, moment: datetime) -> Now:
        """``moment`` as such a value."""
        return cls.combine(moment.date(), moment.timetz())

    def __call__(self) -> Now:
        return self


class NamespaceName(str):
    """The Kubernetes namespace, which hides Jinja's function of that name; calling it is that function."""

    __slots__ = ()

    def __call__(self, *args: Any, **kwargs: Any) -> Namespace:
        return Namespace(*args, **kwargs)


class ProjectEnvironment(ImmutableSandboxedEnvironment):
    """Jinja's sandbox with a map's own keys before its methods, and no way to repeat without end."""

    intercepted_binops = frozenset({"*", "**"})

    def getattr(self, obj: Any, attribute: str) -> Any:
        """``obj.attribute``: a key of a map, else a safe attribute, else ``Missing``."""
        if isinstance(obj, Mapping) and attribute in obj:
            return obj[attribute]
        return super().getattr(obj, attribute)

    def unsafe_undefined(self, obj: Any, attribute: str) -> NoReturn:
        """Refuses at once: even asking for it is no template's business."""
        raise SecurityError(f"access to attribute {attribute!r} of a {type(obj).__name__} is not allowed")

    def call_binop(self, context: Context, operator: str, left: Any, right: Any) -> Any:
        """``*`` and ``**`` within bounds."""
        if operator == "**":
            if isinstance(left, int) and isinstance(right, int) and left.bit_length() * abs(right) > MAX_BITS:
                raise OverflowError("** would make a number without end")
        elif any(isinstance(side, str | list | tuple) for side in (left, right)):
            sized, count = (left, right) if not isinstance(left, int) else (right, left)
            if isinstance(count, int) and len(sized) * count > MAX_REPEATED:
                raise OverflowError(f"* would make more than {MAX_REPEATED} items")
        return super().call_binop(context, operator, left, right)


def make_environment(
    load: Callable[[str], tuple[str, str | None, Callable[[], bool] | None] | None],
    env: Mapping[str, str],
    now: datetime,
) -> ProjectEnvironment:
    """The environment with the project's functions; templates that it includes come from ``load`` alone."""
    environment = ProjectEnvironment(
        loader=FunctionLoader(load), undefined=Missing, keep_trailing_newline=True, cache_size=400
    )

    # YAML knows no pairs of surrogates, which is how JSON in ASCII writes an emoji.
    environment.policies["json.dumps_kwargs"] = {"sort_keys": True, "ensure_ascii": False}

    def env_or(key: str, fallback: str = "") -> str:
        return functions.env_or(env, key, fallback)

    def env_required(key: str) -> str:
        return functions.env_required(env, key)

    environment.globals.pop("lipsum", None)
    plain: dict[str, Callable[..., Any]] = {
        "default": default,
        "d": default,
        "toLower": _of_text(functions.to_lower),
        "slug": _of_text(functions.slug),
        "truncSHA": _of_text(functions.trunc_sha),
        "ternary": functions.ternary,
        "trimPrefix": functions.trim_prefix,
        "quote": _of_text(quote),
    }
    plain |= {"to_lower": plain["toLower"], "trunc_sha": plain["truncSHA"], "trim_prefix": functions.trim_prefix}
    environment.filters.update(plain)
    environment.globals.update(plain)
    environment.globals.update(
        envOr=env_or,
        env_or=env_or,
        envRequired=env_required,
        env_required=env_required,
        join=join,
        indent=functions.indent,
        include=include,
        now=Now.of(now),
    )
    return environment


def default(value: object, fallback: object = "", boolean: bool = False) -> object:
    """``fallback`` where ``value`` is missing, blank or an empty collection; with ``boolean``, where it is false."""
    if isinstance(value, Undefined) or functions.is_empty(value) or (boolean and not value):
        return fallback
    return value


def join(items: object, separator: str = "") -> str:
    """The items as one text; an error where ``items`` is a text itself."""
    if not isinstance(items, list | tuple):
        raise FunctionError(f"join wants a list, not {type(items).__name__}")
    return separator.join(str(item) for item in items)


@pass_context
def include(context: Context, name: str, variables: object = None) -> str:
    """The partial ``name`` rendered with the names visible here, and those of ``variables`` over them."""
    names: dict[str, object] = dict(context.get_all())
    if isinstance(variables, Undefined):
        variables._fail_with_undefined_error()
    if isinstance(variables, Mapping):
        names.update(variables)
    elif variables is not None and not isinstance(variables, Context):
        raise FunctionError(f"include wants a map as its context, not {type(variables).__name__}")
    return context.environment.get_template(name).render(names)


def _of_text(function: Callable[[str], str]) -> Callable[[object], str]:
    def call(value: object) -> str:
        return function(str(value))

    call.__name__ = function.__name__
    return call
