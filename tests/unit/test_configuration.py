"""Strict conversion: what is wrong is named with its whole path, what is right survives a round trip."""

import contextlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.configuration import from_dict, nearest, to_dict


@dataclass(frozen=True)
class Wheel:
    radius_mm: float
    num_spokes: int = 32
    color: Literal["black", "silver"] = "black"

    def __post_init__(self) -> None:
        if self.radius_mm <= 0:
            raise ValueError(f"radius_mm: got {self.radius_mm}, expected more than 0")


@dataclass(frozen=True)
class Bell:
    tone_hz: float


@dataclass(frozen=True)
class Bicycle:
    name: str
    wheels: tuple[Wheel, ...] = ()
    size_mm: tuple[int, float] = (500, 500.0)
    electric: bool = False
    weight_kg: float | None = None
    gears: int | str = 1
    part: Wheel | Bell | None = None
    notes: list[str] = field(default_factory=list)
    options: Mapping[str, Any] = field(default_factory=dict)
    prices: Mapping[str, float] = field(default_factory=dict)
    level: Literal[1, 2] = 1
    num_wheels: int = field(init=False, default=0)

    def __post_init__(self) -> None:
        object.__setattr__(self, "num_wheels", len(self.wheels))


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"name": "a", "wheel": []}, "unknown key 'wheel': did you mean 'wheels'?"),
        ({"name": "a", "wheels": [{"radius_mm": 1}, {"radius": 1}]}, "unknown key 'wheels[1].radius': did you mean"),
        ({"name": "a", "num_wheels": 2}, "unknown key 'num_wheels'"),
        ({}, "missing key 'name' of Bicycle"),
        ({"name": "a", "wheels": [{}]}, "missing key 'wheels[0].radius_mm' of Wheel"),
        ({"name": 3}, "name: got 3 (int), expected str"),
        ({"name": None}, "name: got null, expected str"),
        ({"name": "a", "electric": 1}, "electric: got 1 (int), expected bool"),
        ({"name": "a", "wheels": {"radius_mm": 1}}, "wheels: got {'radius_mm': 1} (dict), expected a list"),
        ({"name": "a", "wheels": ["x"]}, "wheels[0]: got 'x', expected a mapping of Wheel's fields"),
        ({"name": "a", "wheels": [{"radius_mm": "1"}]}, "wheels[0].radius_mm: got '1' (str), expected float"),
        ({"name": "a", "wheels": [{"radius_mm": True}]}, "wheels[0].radius_mm: got True (bool), expected float"),
        (
            {"name": "a", "wheels": [{"radius_mm": 1, "num_spokes": 2.0}]},
            "wheels[0].num_spokes: got 2.0 (float), expected int",
        ),
        ({"name": "a", "wheels": [{"radius_mm": 1, "num_spokes": True}]}, "wheels[0].num_spokes: got True (bool)"),
        (
            {"name": "a", "wheels": [{"radius_mm": 1, "color": "silve"}]},
            "wheels[0].color: got 'silve'; did you mean 'silver'?",
        ),
        ({"name": "a", "wheels": [{"radius_mm": 1, "color": "z"}]}, "wheels[0].color: got 'z'; valid: black, silver"),
        ({"name": "a", "wheels": [{"radius_mm": -1}]}, "wheels[0]: radius_mm: got -1.0, expected more than 0"),
        ({"name": "a", "level": True}, "level: got True; valid: 1, 2"),
        ({"name": "a", "level": 1.0}, "level: got 1.0; valid: 1, 2"),
        ({"name": "a", "size_mm": [1]}, "size_mm: got 1 values, expected 2"),
        ({"name": "a", "size_mm": [1, "x"]}, "size_mm[1]: got 'x' (str), expected float"),
        ({"name": "a", "weight_kg": "x"}, "weight_kg: got 'x' (str), expected float or null"),
        ({"name": "a", "gears": 1.5}, "gears: got 1.5 (float), expected int or str"),
        ({"name": "a", "part": {"tone": 1}}, "unknown key 'part.tone': did you mean 'tone_hz'?"),
        ({"name": "a", "notes": ["x", 1]}, "notes[1]: got 1 (int), expected str"),
        ({"name": "a", "options": 1}, "options: got 1 (int), expected a mapping"),
        ({"name": "a", "prices": {"bell": "x"}}, "prices.bell: got 'x' (str), expected float"),
    ],
)
def test_wrong_values_are_named_with_their_path(values: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError) as caught:
        from_dict(Bicycle, values)
    assert message in str(caught.value)


def test_the_path_starts_where_the_caller_says() -> None:
    with pytest.raises(ValueError, match=r"unknown key 'task\.radius'"):
        from_dict(Wheel, {"radius": 1}, where="task")
    with pytest.raises(ValueError, match=r"^task: got 3, expected a mapping of Wheel's fields"):
        from_dict(Wheel, 3, where="task")  # type: ignore[arg-type]


def test_integers_become_floats_where_floats_are_wanted() -> None:
    wheel = from_dict(Wheel, {"radius_mm": 3})
    assert wheel.radius_mm == 3.0
    assert isinstance(wheel.radius_mm, float)
    assert isinstance(from_dict(Bicycle, {"name": "a", "weight_kg": 9}).weight_kg, float)


def test_unions_keep_what_already_fits() -> None:
    assert from_dict(Bicycle, {"name": "a", "gears": "seven"}).gears == "seven"
    assert from_dict(Bicycle, {"name": "a", "gears": 7}).gears == 7
    assert from_dict(Bicycle, {"name": "a", "part": {"tone_hz": 440}}).part == Bell(440.0)
    assert from_dict(Bicycle, {"name": "a", "part": None}).part is None

    @dataclass(frozen=True)
    class Number:
        value: float | int

    kept = from_dict(Number, {"value": 3}).value
    assert isinstance(kept, int)


def test_what_is_already_built_passes() -> None:
    wheel = Wheel(1.0)
    assert from_dict(Bicycle, {"name": "a", "wheels": (wheel,)}).wheels == (wheel,)


def test_the_source_mapping_is_not_shared() -> None:
    options = {"a": 1}
    built = from_dict(Bicycle, {"name": "a", "options": options})
    options["a"] = 2
    assert built.options == {"a": 1}


def test_an_unknown_type_of_field_is_a_bug() -> None:
    @dataclass(frozen=True)
    class Odd:
        values: set[int]

    with pytest.raises(AssertionError, match="does not know the type"):
        from_dict(Odd, {"values": [1]})


def test_nearest() -> None:
    assert nearest("EPOCHS", ["Epochs", "seed"]) == "did you mean 'Epochs'?"
    assert nearest("epoch", ["epochs", "seed"]) == "did you mean 'epochs'?"
    assert nearest("zzz", ["seed", "epochs"]) == "valid: epochs, seed"


floats = st.floats(allow_nan=False, allow_infinity=False)
json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | floats | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=5,
)
wheels = st.builds(
    Wheel,
    st.floats(min_value=0, exclude_min=True, allow_infinity=False),
    st.integers(),
    st.sampled_from(["black", "silver"]),
)
bicycles = st.builds(
    Bicycle,
    name=st.text(),
    wheels=st.lists(wheels, max_size=3).map(tuple),
    size_mm=st.tuples(st.integers(), floats),
    electric=st.booleans(),
    weight_kg=st.none() | floats,
    gears=st.integers() | st.text(),
    part=st.none() | wheels | st.builds(Bell, floats),
    notes=st.lists(st.text(), max_size=3),
    options=st.dictionaries(st.text(), json_values, max_size=3),
    prices=st.dictionaries(st.text(), floats, max_size=3),
    level=st.sampled_from([1, 2]),
)


@given(bicycles)
def test_round_trip_through_json(bicycle: Bicycle) -> None:
    plain = to_dict(bicycle)
    assert from_dict(Bicycle, plain) == bicycle
    assert from_dict(Bicycle, json.loads(json.dumps(plain))) == bicycle


def test_to_dict_is_plain() -> None:
    plain = to_dict(Bicycle("a", wheels=(Wheel(1.0),), part=Bell(440.0)))
    assert plain["wheels"] == [{"radius_mm": 1.0, "num_spokes": 32, "color": "black"}]
    assert plain["size_mm"] == [500, 500.0]
    assert plain["part"] == {"tone_hz": 440.0}
    assert "num_wheels" not in plain


@given(st.dictionaries(st.text(), json_values, max_size=4) | json_values)
def test_any_json_is_taken_or_refused_with_a_value_error(values: Any) -> None:
    with contextlib.suppress(ValueError):
        assert isinstance(from_dict(Bicycle, values), Bicycle)
