"""Names to classes, and recipes (JSON) to objects and back. Knows nothing about what is registered.

A component is a class with keyword defaults. Its recipe is `{"name": ..., "keywords": {...}}`; keywords left at their
defaults are written too, so that a recipe stays true when a default changes later. People write a recipe as text,
`name` or `name:keyword=value,keyword=value`.
"""

import inspect
import json
import re
from collections.abc import Callable, Iterable
from typing import Any

from parmesan_engine.errors import FormatError, LimitError, UnknownNameError


class Registry:
    """A set of named classes of one kind, for example all encoders.

    A class may have `limits`, {keyword: (least, most)} or {keyword: names}: what a person may write is bounded before anything is made.

    >>> things = Registry("thing")
    >>> @things.register("box")
    ... class Box:
    ...     def __init__(self, *, size: int = 3): self.size = size
    >>> things.build({"name": "box", "keywords": {"size": 4}}).size
    4
    """

    def __init__(self, kind: str) -> None:
        self.kind = kind
        self._classes: dict[str, type] = {}

    def register(self, name: str) -> Callable[[type], type]:
        """Return a decorator that files a class under `name`."""

        def file(cls: type) -> type:
            self._classes[name] = cls
            cls.registered_name = name
            return cls

        return file

    def names(self) -> list[str]:
        """Return the registered names in alphabetical order."""
        return sorted(self._classes)

    def get(self, name: str) -> type:
        """Return the class filed under `name`. Raises UnknownNameError."""
        if name not in self._classes:
            raise UnknownNameError(f"a known {self.kind} ({', '.join(self.names())})", repr(name), "check the spelling")
        return self._classes[name]

    def build(self, recipe: dict[str, Any]) -> Any:
        """Return a new object made from its recipe. Raises UnknownNameError for unknown names and keywords, LimitError."""
        cls = self.get(recipe["name"])
        self._check_keywords(recipe["name"], recipe.get("keywords", {}))
        self._check_limits(cls, recipe.get("keywords", {}))
        return cls(**recipe.get("keywords", {}))

    def parse(self, text: str) -> dict[str, Any]:
        """Return the recipe that a person wrote as text, with the keywords that were given and no others.

        A value is text where the keyword's default is text, else JSON. A comma parts keywords only before `keyword=`, so paths and
        lists may hold commas. Raises UnknownNameError, FormatError for a value of the wrong type, LimitError.

        >>> things = Registry("thing")
        >>> @things.register("box")
        ... class Box:
        ...     def __init__(self, *, path: str = "", lid: bool = True, sizes: tuple = (1, 2)): ...
        >>> things.parse("box:path=/a,b,lid=false,sizes=[3,4]")
        {'name': 'box', 'keywords': {'path': '/a,b', 'lid': False, 'sizes': [3, 4]}}
        """
        name, _, rest = text.strip().partition(":")
        known = inspect.signature(self.get(name)).parameters
        keywords = {}
        for part in re.split(r",\s*(?=\w+\s*=)", rest) if rest else ():
            keyword, equals, value = (piece.strip() for piece in part.partition("="))
            if not equals:
                raise FormatError(f"{name}:keyword=value", repr(text), f"give the keyword of {part!r} ({', '.join(known)})")
            self._check_keywords(name, [keyword])
            keywords[keyword] = _value(name, keyword, value, known[keyword].default)
        self._check_limits(self.get(name), keywords)
        return {"name": name, "keywords": keywords}

    def parse_several(self, text: str) -> list[dict[str, Any]]:
        """Return the recipes of a list with commas, as in `box:lid=false,sizes=[3,4],plain`. Raises as `parse` does."""
        starts = "|".join(re.escape(name) for name in self._classes)
        parts = re.split(rf",\s*(?=(?:{starts})\s*(?:[:,]|$))", text)
        for name in (name for part in parts if ":" not in part for name in part.split(",")):
            self.get(name.strip())  # names the wrong one, not the list that it stands in
        return [self.parse(part) for part in parts]

    def text(self, recipe: dict[str, Any]) -> str:
        """Return a recipe as text that `parse` reads, keywords at their defaults left out. Raises UnknownNameError.

        >>> things = Registry("thing")
        >>> @things.register("box")
        ... class Box:
        ...     def __init__(self, *, lid: bool = True, size: int = 3): ...
        >>> things.text({"name": "box", "keywords": {"lid": False, "size": 3}})
        'box:lid=false'
        """
        known, given = inspect.signature(self.get(recipe["name"])).parameters, recipe.get("keywords", {})
        self._check_keywords(recipe["name"], given)
        words = [f"{name}={value if isinstance(value, str) else json.dumps(value)}" for name, value in given.items()
                 if json.dumps(value) != json.dumps(known[name].default)]
        return recipe["name"] + (":" + ",".join(words) if words else "")

    def _check_keywords(self, name: str, keywords: Iterable[str]) -> None:
        known = inspect.signature(self.get(name)).parameters
        if unknown := sorted(set(keywords) - set(known)):
            raise UnknownNameError(f"keywords of {name} ({', '.join(known)})", ", ".join(unknown), "remove them")

    def _check_limits(self, cls: type, keywords: dict[str, Any]) -> None:
        for keyword, allowed in getattr(cls, "limits", {}).items():
            value = keywords.get(keyword, allowed[0])
            if isinstance(allowed[0], str):
                if value not in allowed:
                    raise UnknownNameError(f"{keyword} of {cls.registered_name}: {', '.join(allowed)}", repr(value), "check the spelling")
                continue
            least, most = allowed
            if not least <= value <= most:  # nor is NaN
                raise LimitError(f"{keyword} of {cls.registered_name} from {least:,} to {most:,}", f"{value}", "choose another")


def _value(name: str, keyword: str, text: str, default: Any) -> Any:
    """Return the value that `text` means for a keyword with this default. Raises FormatError."""
    if isinstance(default, str):
        return text
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):  # nested too deep
        value = text
    kinds = {bool: (bool, "true or false"), int: (int, "a whole number"), float: (int | float, "a number"), tuple: (list, "a list, [1, 2]")}
    kind, words = kinds.get(type(default), (object, ""))
    if not isinstance(value, kind) or (isinstance(value, bool) and not isinstance(default, bool | None)):
        raise FormatError(f"{words} for {keyword} of {name}", repr(text), f"its default is {default}")
    return value


def recipe_of(component: Any) -> dict[str, Any]:
    """Return the recipe of a component: its registered name and the value of each constructor keyword.

    Relies on the rule that constructors only store their keywords, under the same names.
    """
    keywords = {name: getattr(component, name) for name in inspect.signature(type(component)).parameters}
    return {"name": component.registered_name, "keywords": keywords}


def pinned(component: Any) -> Any:
    """Return the component as it must be to be found again: one that reads files may have a method `pinned` that settles which."""
    return component.pinned() if hasattr(component, "pinned") else component
