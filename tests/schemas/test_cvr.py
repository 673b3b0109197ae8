"""CVR numbers: what is normalised, what is refused and with which code."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.cvr import CvrError, format_cvr, parse_cvr

WEIGHTS = (2, 7, 6, 5, 4, 3, 2)


def with_check_digit(serial: int) -> str | None:
    """The number of a 7-digit serial, as Statistics Denmark describes it; None where no number exists."""
    remainder = sum(w * int(d) for w, d in zip(WEIGHTS, str(serial), strict=True)) % 11
    return None if remainder == 1 else f"{serial}{(11 - remainder) % 11}"


numbers = st.integers(1_000_000, 9_999_999).map(with_check_digit).filter(bool)


def code_of(text: str) -> str:
    with pytest.raises(CvrError) as caught:
        parse_cvr(text)
    return caught.value.code


@given(numbers)
def test_every_number_of_the_rule_is_read(number: str):
    """A serial with its check digit is a number, and is written back as it was."""
    assert format_cvr(parse_cvr(number)) == number


@given(numbers)
def test_every_single_wrong_digit_is_caught(number: str):
    """None of the 72 numbers that differ in one digit is accepted."""
    for place in range(8):
        for digit in "0123456789".replace(number[place], ""):
            code = code_of(number[:place] + digit + number[place + 1 :])
            # A leading zero is no number of 8 digits; everything else fails the checksum.
            assert code == ("invalid_cvr_length" if (place, digit) == (0, "0") else "invalid_cvr_checksum")


@given(numbers)
def test_every_swap_of_neighbours_is_caught(number: str):
    """Two neighbouring digits that change places make no number, unless they are equal."""
    for place in range(7):
        swapped = number[:place] + number[place + 1] + number[place] + number[place + 2 :]
        assert swapped == number or code_of(swapped)


@given(numbers, st.sampled_from(["", "DK", "dk", "DK ", "DK-", " DK"]), st.data())
def test_formats_are_normalised(number: str, prefix: str, data: st.DataObject):
    """The prefix DK and separators between the digits do not matter."""
    separators = st.sampled_from(["", " ", "-", ".", "/", "  "])
    text = prefix + "".join(digit + data.draw(separators) for digit in number)
    assert parse_cvr(text) == int(number)


@given(st.text(st.characters(exclude_categories=[])) | st.text("0123456789DK .-", max_size=14))
def test_any_text_is_a_number_or_a_fault(text: str):
    """Whatever text comes, lone surrogates included, the answer is a number of 8 digits or one of three codes."""
    try:
        answer: int | str = parse_cvr(text)
    except CvrError as error:
        answer = error.code
    if isinstance(answer, int):
        assert 10_000_000 <= answer <= 99_999_999
    else:
        assert answer in {"invalid_cvr_length", "invalid_cvr_checksum", "unsupported_identifier"}


@pytest.mark.parametrize(
    ("text", "number"),
    [
        pytest.param("13748136", 13748136, id="plain"),
        pytest.param("DK 13 74 81 36", 13748136, id="as printed on letters"),
        pytest.param("DK13585628", 13585628, id="as a VAT number"),
        pytest.param("\u00a010150817 ", 10150817, id="spaces of a spreadsheet"),
    ],
)
def test_known_numbers(text: str, number: int):
    """Numbers from the agencies' own examples."""
    assert parse_cvr(text) == number


@pytest.mark.parametrize(
    ("text", "code"),
    [
        pytest.param("13585627", "invalid_cvr_checksum", id="wrong check digit"),
        pytest.param("12345678", "invalid_cvr_checksum", id="counting up"),
        pytest.param("1374813", "invalid_cvr_length", id="7 digits"),
        pytest.param("137481360", "invalid_cvr_length", id="9 digits"),
        pytest.param("13748136.0", "invalid_cvr_length", id="a spreadsheet's decimal"),
        pytest.param("00000000", "invalid_cvr_length", id="zeros"),
        pytest.param("03748136", "invalid_cvr_length", id="leading zero"),
        pytest.param("", "invalid_cvr_length", id="empty"),
        pytest.param("DK", "invalid_cvr_length", id="prefix only"),
        pytest.param("-", "invalid_cvr_length", id="dash"),
        pytest.param("SE556012579001", "unsupported_identifier", id="Swedish"),
        pytest.param("DE123456789", "unsupported_identifier", id="German"),
        pytest.param("DE 13748136", "unsupported_identifier", id="foreign prefix before a sound number"),
        pytest.param("NO 974 760 673 MVA", "unsupported_identifier", id="Norwegian"),
        pytest.param("Novo Nordisk", "unsupported_identifier", id="a name"),
        pytest.param("1" * 100_000, "invalid_cvr_length", id="very long"),
        pytest.param("A" * 100_000, "unsupported_identifier", id="very long letters"),
    ],
)
def test_codes(text: str, code: str):
    """Each way of being no number has its code, the second time as well."""
    assert code_of(text) == code
    assert code_of(text) == code


def test_the_message_is_short():
    """An error does not carry a whole book."""
    with pytest.raises(CvrError) as caught:
        parse_cvr("1" * 100_000)
    assert len(str(caught.value)) < 120
