"""Names to classes, and recipes (JSON) to objects and back. Knows nothing about what is registered.

A component is a class with keyword defaults. Its recipe is `{"name": ..., "keywords": {...}}`; keywords left at their
defaults are written too, so that a recipe stays true when a default changes later.
"""

import inspect
from collections.abc import Callable
from typing import Any

from parmesan_engine.errors import UnknownNameError


class Registry:
    """A set of named classes of one kind, for example all encoders.

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
        """Return a new object made from its recipe. Raises UnknownNameError for unknown names and keywords."""
        cls = self.get(recipe["name"])
        known = inspect.signature(cls).parameters
        unknown = sorted(set(recipe.get("keywords", {})) - set(known))
        if unknown:
            raise UnknownNameError(f"keywords of {recipe['name']} ({', '.join(known)})", ", ".join(unknown), "remove them")
        return cls(**recipe.get("keywords", {}))


def recipe_of(component: Any) -> dict[str, Any]:
    """Return the recipe of a component: its registered name and the value of each constructor keyword.

    Relies on the rule that constructors only store their keywords, under the same names.
    """
    keywords = {name: getattr(component, name) for name in inspect.signature(type(component)).parameters}
    return {"name": component.registered_name, "keywords": keywords}
