"""The names of the classes, and how a class is found by one."""

import pytest

from ecg.classes import GROUPS, NAMES, clinical_rank, find_class, full_name, group_of, load_weights
from ecg.errors import EntryError
from tests.conftest import ROOT

CLASSES = load_weights().classes


@pytest.mark.parametrize("code", CLASSES)
def test_a_class_is_found_by_each_of_its_names(code):
    for name in (code, *NAMES[code], NAMES[code][0].lower(), NAMES[code][1].upper()):
        assert CLASSES[find_class(CLASSES, name)] == code


def test_a_class_is_found_by_an_equivalent_code_or_a_part_of_its_name():
    assert full_name(CLASSES[find_class(CLASSES, "17338001")]) == "premature ventricular contractions"
    assert full_name(CLASSES[find_class(CLASSES, "flutter")]) == "atrial flutter"


@pytest.mark.parametrize("name", ["", "  ", "XYZ", "123"])
def test_no_class_is_found_by_another_name(name):
    with pytest.raises(EntryError, match="none of the classes: sinus rhythm .SNR., sinus bradycardia .SB.,"):
        find_class(CLASSES, name)


def test_a_part_of_several_names_names_them():
    with pytest.raises(EntryError, match="means several of the classes: complete right .* .CRBBB., incomplete right"):
        find_class(CLASSES[::-1], "right bundle")


def test_clinical_order_is_that_of_docs_classes_md():
    order = sorted(CLASSES, key=clinical_rank)
    assert [group_of(code) for code in order] == sorted(map(group_of, CLASSES), key=list(GROUPS).index)
    page = (ROOT / "docs/classes.md").read_text()
    places = [page.index(f" | {code} | ") for code in order]
    assert places == sorted(places)
    assert clinical_rank("123") > clinical_rank(order[-1]) and group_of("123") == "other" and full_name("123") == "123"
