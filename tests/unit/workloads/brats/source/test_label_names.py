import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.errors import DataError, UsageError
from app.workloads.brats.source.label_names import MEANINGS, meaning_of, parse_codes, read_names


@pytest.mark.parametrize(
    ("name", "meaning"),
    [
        ("background", "background"),
        ("Everything else", "background"),
        ("edema", "edema"),
        ("oedema", "edema"),
        ("peritumoral edema", "edema"),
        ("peritumoral edematous/invaded tissue (ED)", "edema"),
        ("ED", "edema"),
        ("SNFH", "edema"),
        ("surrounding non-enhancing FLAIR hyperintensity", "edema"),
        ("non-enhancing tumor", "core"),  # MSD Task01
        ("necrotic tumor core (NCR)", "core"),
        ("necrotic and non-enhancing tumor core", "core"),
        ("NCR/NET", "core"),
        ("Non_Enhancing_Tumour_Core", "core"),
        ("NonEnhancingTumor", "core"),
        ("not enhancing tumour", "core"),
        ("cystic component", "core"),
        ("enhancing tumour", "enhancing"),  # MSD Task01
        ("GD-enhancing tumor (ET - label 4)", "enhancing"),
        ("contrast enhancement", "enhancing"),
        ("ET", "enhancing"),
        ("resection cavity (RC)", "cavity"),
    ],
)
def test_names_as_data_sets_have_them(name: str, meaning: str) -> None:
    assert meaning_of(name) == meaning


@pytest.mark.parametrize(
    "name",
    [
        "",
        "tumor",
        "tumor core",  # with or without the enhancing part
        "whole tumor",
        "edema and enhancing tumor",
        "enhancing tumor (ED)",
        "non necrotic core",
        "enhancing tumor (see paper)",
        "ventricle",
        "ignore",
    ],
)
def test_a_name_that_says_nothing_or_two_things_is_not_understood(name: str) -> None:
    assert meaning_of(name) is None


@pytest.mark.parametrize(
    ("labels", "codes"),
    [
        (
            {"0": "background", "1": "edema", "2": "non-enhancing tumor", "3": "enhancing tumour"},  # MSD, nnU-Net 1
            {0: "background", 1: "edema", 2: "core", 3: "enhancing"},
        ),
        (
            {"background": 0, "necrosis": 1, "edema": 2, "enhancing tumor": 4},  # nnU-Net 2
            {0: "background", 1: "core", 2: "edema", 4: "enhancing"},
        ),
        ({"1": "edema", "3": "ET"}, {0: "background", 1: "edema", 3: "enhancing"}),
        (
            {"background": 0, "ET": 1, "NET": 2, "CC": 3, "ED": 4},  # two codes of one meaning
            {0: "background", 1: "enhancing", 2: "core", 3: "core", 4: "edema"},
        ),
        (
            {"background": 0, "whole tumor": [1, 2, 3], "tumor core": [2, 3], "enhancing tumor": [3]},
            {0: "background", 1: "edema", 2: "core", 3: "enhancing"},
        ),
        (
            {"background": 0, "WT": [1, 2, 3], "TC": [1, 3], "ET": 3, "resection cavity": 4},
            {0: "background", 1: "core", 2: "edema", 3: "enhancing", 4: "cavity"},
        ),
        (
            {"background": 0, "whole tumor": [1, 2, 3], "enhancing tumor": [3], "necrosis": [1], "edema": [2]},
            {0: "background", 1: "core", 2: "edema", 3: "enhancing"},
        ),
    ],
)
def test_both_forms_of_dataset_json_and_regions(labels: object, codes: dict[int, str]) -> None:
    assert read_names(labels, "dataset.json", {}) == codes


@pytest.mark.parametrize(
    ("labels", "message"),
    [
        (
            {"1": "edema", "2": "foo"},
            "dataset.json calls label 2 'foo', which is not understood; .*--labels CODE=MEANING",
        ),
        ({"background": 0, "edema": 1, "core part": 1}, "calls label 1 'edema' and 'core part'"),
        ({"background": 0, "whole tumor": [1, 2], "enhancing tumor": [2]}, "calls label 1 'whole tumor'"),
        ({"background": 0, "foo": [1, 2]}, "calls label 1 'foo'"),
        ({"background": 0, "enhancing": [2], "tumor core": [2]}, None),
        (["background"], "cannot read its labels"),
        ({"edema": "x"}, "cannot read its label 'edema'"),
        ({"edema": True}, "cannot read its label 'edema'"),
        ({"edema": 300}, "cannot read its label 'edema'"),
    ],
)
def test_what_is_not_understood_is_refused(labels: object, message: str | None) -> None:
    if message is None:
        assert read_names(labels, "dataset.json", {}) == {0: "background", 2: "enhancing"}
        return
    with pytest.raises(DataError, match=message):
        read_names(labels, "dataset.json", {})


def test_codes_told_by_hand_need_no_name() -> None:
    labels = {"0": "background", "1": "foo", "2": "edema"}
    assert read_names(labels, "dataset.json", {1: "core"}) == {0: "background", 2: "edema"}


def test_codes_by_hand() -> None:
    assert parse_codes(["1=core", "2=Edema", "4 = enhancing tumour", "5=cavity"]) == {
        1: "core",
        2: "edema",
        4: "enhancing",
        5: "cavity",
    }
    assert parse_codes([]) == {}


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["1"], "got '1', expected --labels CODE=MEANING"),
        (["core=1"], "got 'core=1'"),
        (["1=foo"], "got '1=foo', expected .*background, core, edema, enhancing or cavity"),
        (["256=core"], "got '256=core'"),
        (["1=core", "1=edema"], "the code 1 is given twice"),
        (["0=core"], "got 0=core, but 0 is the background"),
    ],
)
def test_wrong_codes_by_hand_are_refused(words: list[str], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        parse_codes(words)


JSON_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-2, 300) | st.text(max_size=12) | st.sampled_from(["edema", "NCR", "ET"]),
    lambda inner: st.lists(inner, max_size=3),
    max_leaves=4,
)


KEYS = st.text(max_size=8) | st.sampled_from(["1", "2", "edema", "whole tumor"])


@given(st.dictionaries(KEYS, JSON_VALUES, max_size=5))
def test_whatever_stands_there_is_understood_or_refused(labels: dict[str, object]) -> None:
    try:
        codes = read_names(labels, "dataset.json", {})
    except DataError:
        return
    assert set(codes.values()) <= set(MEANINGS)
    assert all(0 <= code <= 255 for code in codes)
