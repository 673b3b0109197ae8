from hypothesis import given
from hypothesis import strategies as st

from sources.files.plain_cells import as_it_was, as_plain_text, is_refused_list

NASTY = st.text(st.sampled_from("=+-@'\t\r\n,;|\" a1\u200b\u00a0\uff1d\u2212"), max_size=12)


@given(st.one_of(NASTY, st.text()))
def test_reading_undoes_what_writing_did(text: str):
    """Reading gives back any content of a cell as it was, also after several rounds."""
    once = as_plain_text(text)
    assert as_it_was(once) == text
    assert as_it_was(as_it_was(as_plain_text(once))) == text


def test_ordinary_cells_stay_as_they_are():
    """Names, numbers, dates and texts with a dash or an apostrophe within get no mark."""
    for text in ("Æble & Ø", "13748136", "2018-05-03", "Kursus - del 2", "a=b", "it's", "'s-Hertogenbosch", ""):
        assert as_plain_text(text) == text


def test_lists_are_known_by_their_header():
    """Only what begins with the columns of a list is one."""
    assert is_refused_list(["line", "field", "reason", "Nr"])
    assert is_refused_list(["refused_line", "field", "reason"])
    assert not is_refused_list(["Nr", "line", "field", "reason"])
    assert not is_refused_list(["line", "field"])
