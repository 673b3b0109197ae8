import pytest

from schemas.similar import suggestion


@pytest.mark.parametrize(
    ("word", "words"),
    [
        pytest.param("unknown_sorce", " (did you mean unknown_source?)", id="a letter too few"),
        pytest.param("weather", "", id="nothing like it"),
    ],
)
def test_what_may_have_been_meant(word: str, words: str):
    """The closest known word is named where there is one."""
    assert suggestion(word, ["unknown_type", "unknown_source"]) == words
