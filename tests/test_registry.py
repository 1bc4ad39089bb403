"""Recipes: a component's name and keywords, to JSON and back; errors say what is known."""

import inspect
import json
import pickle
from typing import ClassVar

import pytest

from parmesan_engine import errors
from parmesan_engine.encoders import ENCODERS
from parmesan_engine.errors import FormatError, LimitError, ParmesanError, UnknownNameError
from parmesan_engine.methods import METHODS
from parmesan_engine.registry import Registry, recipe_of


@pytest.fixture
def boxes():
    registry = Registry("box")

    @registry.register("plain")
    class Plain:
        def __init__(self, *, size: int = 3, colors: tuple = ("red",)) -> None:
            self.size, self.colors = size, colors

    return registry


def test_a_recipe_makes_an_equal_component_again(boxes):
    box = boxes.build({"name": "plain", "keywords": {"size": 5}})
    recipe = recipe_of(box)
    assert recipe == {"name": "plain", "keywords": {"size": 5, "colors": ("red",)}}
    again = boxes.build(json.loads(json.dumps(recipe)))
    assert recipe_of(again)["keywords"]["size"] == 5 and boxes.names() == ["plain"]
    assert boxes.build({"name": "plain"}).size == 3


def test_unknown_names_and_keywords_are_named_with_what_is_known(boxes):
    with pytest.raises(UnknownNameError, match=r"a known box \(plain\); got 'plane'"):
        boxes.get("plane")
    with pytest.raises(UnknownNameError, match=r"size, colors.*got depth, width"):
        boxes.build({"name": "plain", "keywords": {"width": 1, "depth": 2, "size": 3}})


def test_a_recipe_as_text(boxes):
    @boxes.register("model")
    class Model:
        def __init__(self, *, path: str = "", lid: bool = True, tile: int | None = None, share: float = 0.5) -> None: ...

    assert boxes.parse("plain") == {"name": "plain", "keywords": {}}
    assert boxes.parse("plain:size=5, colors=[1,2]")["keywords"] == {"size": 5, "colors": [1, 2]}
    keywords = {"path": "C:/a, b/7", "tile": 3, "lid": False, "share": 1}
    assert boxes.parse("model:path=C:/a, b/7,tile=3,lid=false,share=1")["keywords"] == keywords
    assert boxes.parse("model:path=7,tile=null")["keywords"] == {"path": "7", "tile": None}
    several = boxes.parse_several("plain:size=2,colors=[1,2], model:path=/plain,/b,tile=9,plain")
    assert [r["name"] for r in several] == ["plain", "model", "plain"]
    assert several[1]["keywords"] == {"path": "/plain,/b", "tile": 9} and several[0]["keywords"]["colors"] == [1, 2]


@pytest.mark.parametrize(("text", "kind", "words"), [
    ("plane:size=2", UnknownNameError, "a known box"), ("", UnknownNameError, "a known box"),
    ("plain:width=2", UnknownNameError, "size, colors.*got width"), ("plain:2", FormatError, "plain:keyword=value.*size, colors"),
    ("plain:size=big", FormatError, "a whole number for size of plain; got 'big'"), ("plain:size=true", FormatError, "a whole number"),
    ("plain:size=2.5", FormatError, "a whole number"), ("plain:colors=red", FormatError, "a list"),
])
def test_a_wrong_recipe_as_text_is_told_in_words(boxes, text, kind, words):
    with pytest.raises(kind, match=words):
        boxes.parse(text)


@pytest.mark.parametrize("value", ["0.5", "-1", "9.5", "NaN", "Infinity", "1e400"])
def test_a_number_beyond_the_limits_of_its_keyword_is_refused_before_anything_is_made(boxes, value):
    @boxes.register("bounded")
    class Bounded:
        limits: ClassVar = {"share": (1, 9)}

        def __init__(self, *, share: float = 2.0) -> None:
            pytest.fail("made")

    with pytest.raises(LimitError, match="share of bounded from 1 to 9"):
        boxes.parse(f"bounded:share={value}")
    with pytest.raises(LimitError, match="share of bounded"):
        boxes.build({"name": "bounded", "keywords": {"share": float(value)}})
    assert boxes.parse("bounded:share=9")["keywords"] == {"share": 9}


def test_a_list_that_is_nested_too_deep_is_no_number(boxes):
    with pytest.raises(FormatError):
        boxes.parse("plain:size=" + 100_000 * "[")


@pytest.mark.parametrize("name", METHODS.names())
def test_whole_numbers_of_methods_have_limits_that_hold_their_defaults(name):
    method = METHODS.get(name)
    numbers = {key: one.default for key, one in inspect.signature(method).parameters.items() if type(one.default) is int}
    limits = getattr(method, "limits", {})
    assert set(numbers) <= set(limits) and METHODS.build({"name": name, "keywords": numbers})
    for key in numbers:
        with pytest.raises(LimitError):
            METHODS.parse(f"{name}:{key}={10**15}")


@pytest.mark.parametrize("name", [n for n in dir(errors) if n.endswith("Error")])
def test_every_error_has_three_parts_a_builtin_and_survives_a_process_border(name):
    kind = getattr(errors, name)
    error = kind("a thing", "another", "do this")
    assert str(error) == "expected a thing; got another; do this" and isinstance(error, ParmesanError)
    copy = pickle.loads(pickle.dumps(error))  # as worker processes send it
    assert type(copy) is kind and str(copy) == str(error) and copy.todo == "do this"
    if kind is not ParmesanError:
        assert any(base.__module__ == "builtins" and base is not Exception for base in kind.__mro__[1:-3])


def test_errors_are_caught_as_their_builtins():
    with pytest.raises(ValueError, match="expected at most 1"):
        raise LimitError("at most 1", "2", "take less")


def test_the_text_of_a_recipe_is_read_back():
    for text in ("filter_bank", "filter_bank:scales=[1.0, 2.0],coordinates=false", "conv_pyramid:weights=/a,b,precision=bfloat16"):
        recipe = ENCODERS.parse(text)
        assert ENCODERS.parse(ENCODERS.text(recipe)) == recipe
        assert ENCODERS.text(recipe_of(ENCODERS.build(recipe))) == text
    with pytest.raises(UnknownNameError):
        ENCODERS.text({"name": "filter_bank", "keywords": {"oracle": 1}})


def test_the_wrong_one_of_several_is_named():
    things = Registry("thing")
    things.register("box")(type("Box", (), {}))
    with pytest.raises(UnknownNameError, match=r"got 'nosuch'"):
        things.parse_several("box,nosuch")
