"""Terms of names, numbers and words in the scripts of the world."""

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from memorybank_core.search.tokenize import tokenize


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("O'Brien", "O’Brien’s"),
        ("Nora's", "Nora"),
        ("Søren Łukasz Æsir", "soren lukasz aesir"),
        ("Straße", "STRASSE"),
        ("Irmak", "ırmak"),
        ("Nguyễn", "Nguyen"),
        ("Екатерина", "Ekaterina"),
        ("Олексій", "Oleksiy"),
        ("Ольга", "Olga"),
        ("Ολγα", "Olga"),
        ("Ёлка", "Елка"),
        ("नोरा", "Nora"),
        ("頭髮", "头发"),
        ("張偉", "张伟"),
        ("ﾊﾞﾅﾅ", "バナナ"),
        ("サーバー", "サーバ"),
        ("אני שָׁלוֹם", "אני שלום"),
        ("مُحَمَّد", "محمد"),
        ("أحمد", "احمد"),
        ("٣٤", "34"),
        ("1,000", "1000"),
        ("1.000.000", "1,000,000"),
        ("12,000.50", "12000.5"),
        ("3.50", "3,5"),
        ("v2.3.1", "2.3.1"),
        ("ＡＢＣ１２３", "abc123"),
        ("https://www.a.example/b.", "http://a.example/b"),
        ("C++", "c++"),
    ],
)
def test_spellings_with_equal_terms(one, other):
    assert tokenize(one) == tokenize(other) != []


@pytest.mark.parametrize(
    ("one", "other", "shared"),
    [
        ("O'Brien", "Obrien", {"obrien"}),
        ("l'école", "ecole", {"ecol"}),
        ("Ayşe'nin", "Ayse", {"ays"}),
        ("Qur'an", "Quran", {"quran"}),
        ("노라는", "노라가", {"노라"}),
        ("エカテリーナ", "Ekaterina", {"ekaterina"}),
        ("りんご", "リンゴ", {"りん", "んご"}),
        ("佐々木さん", "佐々木", {"佐々", "々木"}),
        ("ปวดตา", "ตา", {"ต", "า"}),
        ("ABC-123", "ABC 123", {"abc", "123"}),
        ("ABC123", "ABC-123", {"abc", "123"}),
        ("+49 171 3920 073", "0171-3920073", {"3920073"}),
        ("+49 171 3920 073", "01713920073", {"3920073"}),
        ("12 000", "12,000", {"12000"}),
        ("3.5kg", "3.5 kg", {"3.5", "kg"}),
        ("v2.3.1", "2.3", {"2.3"}),
        ("Python 3.11", "python", {"python"}),
        ("nora@mail.example", "nora", {"nora"}),
        ("nora@mail.example", "NORA@mail.example", {"nora@mail.example"}),
        ("C#", "c#和F#", {"c#"}),
        ("use .NET", ".net", {".net"}),
    ],
)
def test_spellings_that_share_terms(one, other, shared):
    assert shared <= set(tokenize(one)) & set(tokenize(other))


@pytest.mark.parametrize(
    ("one", "other"),
    [("C++", "C#"), ("C#", "c"), ("3.5", "3"), ("3.5", "5"), ("HPX-1423", "1432"), ("10", "1,000")],
)
def test_different_things_share_no_term(one, other):
    assert not set(tokenize(one)) & set(tokenize(other))


@pytest.mark.parametrize("text", ["2025-03-18", "18.03.2025"])
def test_the_parts_of_a_date_are_terms(text):
    assert sorted(tokenize(text)) == ["03", "18", "2025"]


def test_the_chinese_comma_is_no_part_of_a_number():
    assert tokenize("37，38") == ["37", "38"]


@pytest.mark.parametrize("text", ["สวัสดี", "ຂອບໃຈ", "សួស្តី", "မင်္ဂလာပါ", "नमस्ते", "தமிழ்", "שָׁלוֹם"])
def test_marks_stay_with_their_letter(text):
    assert all(not unicodedata.combining(term[0]) for term in tokenize(text))


@given(st.text())
def test_canonically_equal_texts_have_equal_terms(text):
    decomposed = unicodedata.normalize("NFD", text)
    assert tokenize(decomposed) == tokenize(unicodedata.normalize("NFC", text))


@given(st.text(alphabet=st.characters(), max_size=50))
def test_any_string_has_terms_without_spaces(text):
    terms = tokenize(text)
    assert all(term and not any(map(str.isspace, term)) for term in terms)
