import gc
import time
import tracemalloc

import pytest

from schemas.bounded_toml import MAX_BYTES, read_toml
from schemas.errors import UsageFault
from schemas.registry_document import read_file


@pytest.mark.parametrize(
    ("text", "words"),
    [
        pytest.param(".".join("a" * 20_000) + " = 1", "key of more than 8 parts", id="dotted key"),
        pytest.param("[" + ".".join("a" * 20_000) + "]", "key of more than 8 parts", id="name of a table"),
        pytest.param("x = {" + ".".join("a" * 20_000) + " = 1}", "key of more than 8 parts", id="within a table"),
        pytest.param('"a" . ' * 20_000 + "b = 1", "key of more than 8 parts", id="quoted parts"),
        pytest.param("a = " + "[" * 100_000, "within each other", id="arrays"),
        pytest.param("a = " + "{a = " * 100_000, "within each other", id="tables"),
        pytest.param("\n\na = " + "9" * 5_000, "line 3 has a number of more than 400 digits", id="number"),
        pytest.param("a = 0x" + "f" * 5_000, "number of more than 400 digits", id="hexadecimal number"),
        pytest.param("a = 2018-13-45", "line 1", id="date"),
        pytest.param("a = ", "Invalid value", id="no value"),
    ],
)
def test_what_would_cost_much_is_refused(text: str, words: str):
    """What the parser cannot take, or only at a high price, is an error of the file, found at little cost."""
    tracemalloc.start()
    try:
        with pytest.raises(ValueError, match=words):
            read_toml(text)
        assert tracemalloc.get_traced_memory()[1] < 3_000_000
    finally:
        tracemalloc.stop()
    with pytest.raises(UsageFault, match="some"):
        read_file(text.encode(), "some.toml", 1)


def test_texts_and_comments_are_not_counted():
    """Dots, brackets and digits within texts and comments mean nothing."""
    much = "[{." * 50 + "9" * 500
    text = f'a = "{much}" # {much}\nb = \'{much}\'\nc = \'\'\'\n{much}\n\'\'\'\nd = """\n{much}\\""""\n'
    assert read_toml(text) == {"a": much, "b": much, "c": much + "\n", "d": much + '"'}


def test_time_grows_with_the_size():
    """A file four times as large takes no more than about four times as long."""
    parts = ["a{0}.b = 'x'\n", "[t{0}.b.c.d.e.f.g]\n", 'a{0} = "{0}"\n']

    def seconds(part: str, lines: int) -> float:
        text = "".join(part.format(number) for number in range(lines))
        assert len(text) < MAX_BYTES
        # A collection walks everything that the test process holds, more often the more tables there are; that is not
        # the parser's work.
        gc.disable()
        try:
            start = time.process_time()
            read_toml(text)
            return time.process_time() - start
        finally:
            gc.enable()

    for part in parts:
        assert seconds(part, 20_000) < 12 * seconds(part, 5_000) + 0.1
