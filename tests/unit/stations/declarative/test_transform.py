import math

from hypothesis import example, given, strategies as st
import pytest

from custom_components.forecourt.stations.declarative.firmware import version_of, within
from custom_components.forecourt.stations.declarative.profile import Scalar, Transform
from custom_components.forecourt.stations.declarative.transform import (
    UnmappedError,
    decode,
    encode,
)

SCALES = st.sampled_from([0.001, 0.01, 0.1, 0.25, 1.0, 2.0, 10.0, 100.0, 1000.0, -1.0, -0.1])
SCALARS = st.one_of(st.booleans(), st.integers(), st.floats(), st.text(max_size=8))


@pytest.mark.parametrize(
    ("transform", "raw", "value"),
    [
        (Transform(), 7, 7),
        (Transform(), "7", "7"),
        (Transform(), True, True),
        (Transform(), "  ", None),
        (Transform(), None, None),
        (Transform(), math.nan, None),
        (Transform(scale=0.1), -math.inf, None),
        (Transform(numeric=True), "1e308", 1e308),
        (Transform(numeric=True, scale=1000.0), "1e308", None),
        (Transform(numeric=True), "1e999", None),
        (Transform(numeric=True), " 16.5 ", 16.5),
        (Transform(numeric=True), "16", 16),
        (Transform(numeric=True), "true", 1),
        (Transform(scale=0.1), 3, 0.3),
        (Transform(scale=1000.0), 5, 5000),
        (Transform(scale=2.0, offset=-40.0), 5, -30),
        (Transform(scale=0.001, offset=0.5), "1500", 2.0),
        (Transform(none=(0xFFFF,)), 0xFFFF, None),
        (Transform(none=("n/a",), numeric=True), "n/a", None),
        (Transform(none=(-1,)), "-1", None),
        (Transform(shift=8), 0x1234, 0x12),
        (Transform(mask=0xFF), 0x1234, 0x34),
        (Transform(shift=4, mask=0xF, scale=0.5), 0x1234, 1.5),
        (Transform(bit=2), 0b100, True),
        (Transform(bit=2), 0b011, False),
        (Transform(bit=0, map={0: "no", 1: "yes"}), 1, "yes"),
        (Transform(pattern=r"v(\d+)"), "v12-beta", "12"),
        (Transform(pattern=r"\d+\.\d+", numeric=True), "about 3.5 kW", 3.5),
        (Transform(pattern=r"^x(\d+)?", numeric=True), "x", None),
        (Transform(pattern=r"^(.*)$", none=("none",)), "none", None),
        (Transform(pattern="^true$", map={"true": "on"}), True, "on"),
        (Transform(map={0: "a", 3: "b"}), 3, "b"),
        (Transform(map={0: "a", 3: "b"}), "3", "b"),
        (Transform(map={0: "a", 3: "b"}), 3.0, "b"),
        (Transform(map={"0": "text", 0: "number"}), 0, "number"),
        (Transform(map={True: "on", False: "off"}), "false", "off"),
        (Transform(map={0: "a"}, default="rest"), 9, "rest"),
        (Transform(map={"": "nothing"}), "", "nothing"),
    ],
)
def test_what_raw_values_mean(
    transform: Transform, raw: Scalar | None, value: Scalar | None
) -> None:
    decoded = decode(transform, raw)
    assert decoded == value
    assert type(decoded) is type(value)


@pytest.mark.parametrize(
    ("transform", "raw"),
    [
        (Transform(map={0: "a"}), 7),
        (Transform(map={0: "a"}), "zero"),
        (Transform(numeric=True), "warm"),
        (Transform(numeric=True), "1" * 50),
        (Transform(pattern="^x"), "y"),
        (Transform(bit=1), "two"),
        (Transform(mask=1), 1.5),
    ],
)
def test_what_has_no_meaning_is_told_so(transform: Transform, raw: Scalar) -> None:
    with pytest.raises(UnmappedError) as caught:
        decode(transform, raw)
    assert caught.value.raw == raw
    assert repr(raw) in str(caught.value)


@given(
    raw=st.integers(-(2**31), 2**32 - 1), scale=SCALES, offset=st.sampled_from([0.0, -40.0, 0.5])
)
@example(raw=3, scale=0.1, offset=0.0)
def test_every_register_value_comes_back_as_it_was(raw: int, scale: float, offset: float) -> None:
    transform = Transform(scale=scale, offset=offset, numeric=True)
    value = decode(transform, raw)
    assert value is not None
    back = encode(transform, value)
    assert back == raw
    assert isinstance(back, int)


@given(value=st.floats(-1e6, 1e6), scale=SCALES)
def test_what_is_written_means_the_value_within_a_step(value: float, scale: float) -> None:
    transform = Transform(scale=scale, numeric=True)
    meant = decode(transform, round(float(encode(transform, value))))
    assert meant == pytest.approx(value, abs=abs(scale) / 2 * 1.000001)


@given(meanings=st.dictionaries(st.integers(0, 65535), st.integers(0, 100), min_size=1))
def test_every_meaning_of_a_map_can_be_written(meanings: dict[int, int]) -> None:
    transform = Transform(map=meanings)
    for meaning in meanings.values():
        assert decode(transform, encode(transform, meaning)) == meaning


@given(
    raw=SCALARS,
    transform=st.builds(
        Transform,
        none=st.lists(SCALARS, max_size=2).map(tuple),
        shift=st.integers(0, 63),
        mask=st.none() | st.integers(1, 2**64 - 1),
        bit=st.none() | st.integers(0, 63),
        pattern=st.none() | st.sampled_from([r"(\d+)", "^a", "(x)?"]),
        map=st.dictionaries(SCALARS, SCALARS, max_size=2),
        default=st.none() | SCALARS,
        scale=SCALES,
        numeric=st.booleans(),
    ),
)
def test_whatever_a_box_says_is_a_value_or_nothing_or_unmapped(
    raw: Scalar, transform: Transform
) -> None:
    try:
        value = decode(transform, raw)
    except UnmappedError:
        return
    if isinstance(value, float) and not transform.map:
        assert math.isfinite(value)


def test_the_first_raw_value_of_a_meaning_is_written() -> None:
    assert encode(Transform(map={4: "on", 5: "on", 6: "off"}), "on") == 4


@pytest.mark.parametrize(
    ("transform", "value", "raw"),
    [
        (Transform(), "text", "text"),
        (Transform(scale=0.1), 16, 160),
        (Transform(scale=1000.0), 500, 0.5),
        (Transform(scale=0.1), "6.5", 65),
        (Transform(map={0: 1, 1: 3}), 3.0, 1),
    ],
)
def test_what_is_written(transform: Transform, value: Scalar, raw: Scalar) -> None:
    assert encode(transform, value) == raw


@pytest.mark.parametrize(
    ("transform", "value"),
    [
        (Transform(map={0: 1, 1: 3}), 2),
        (Transform(scale=0.1), "much"),
        (Transform(scale=0.1), math.nan),
        (Transform(scale=1e-300), 1e300),
    ],
)
def test_what_cannot_be_written(transform: Transform, value: Scalar) -> None:
    with pytest.raises(UnmappedError):
        encode(transform, value)


@pytest.mark.parametrize(
    ("text", "version"),
    [
        ("1.12.3", (1, 12, 3)),
        ("v2.0", (2,)),
        ("KEBA P30 v 3.10.57 (240521)", (3, 10, 57)),
        ("0", (0,)),
        ("unknown", None),
    ],
)
def test_the_numbers_of_a_firmware(text: str, version: tuple[int, ...] | None) -> None:
    assert version_of(text) == version


@pytest.mark.parametrize(
    ("firmware", "low", "high", "has"),
    [
        ("1.2", "1.2", None, True),
        ("1.1.9", "1.2", None, False),
        ("1.10", "1.9", "2", True),
        ("2.0", None, "2", False),
        ("1.0", None, None, True),
        (None, "1.2", None, True),
        ("newest", None, "2", False),
    ],
)
def test_which_firmware_has_what(
    firmware: str | None, low: str | None, high: str | None, has: bool
) -> None:
    assert within(firmware, low, high) is has
