"""What cells show of their numbers."""

import pytest

from sources.files.shown_numbers import Shown, shown_number


@pytest.mark.parametrize(
    ("value", "number_format", "text"),
    [
        (42, "General", "42"),
        (42, "0", "42"),
        (42.0, "#,##0.00", "42"),
        (1.5, "General", "1.5"),
        (1.5, "0.00", "1.5"),
        (0.1 + 0.2, "General", "0.3"),
        (1234567, "#,##0", "1234567"),
        (1234567, '_-* #,##0_-;-* #,##0_-;_-* "-"_-;_-@_-', "1234567"),
        (42, "0000", "0042"),
        (42, "[$-406]0000", "0042"),
        (42, "[Red]0000", "0042"),
        (12345, "0000", "12345"),
        (0, "0000", "0000"),
        (-5, "0000", "-0005"),
        (113, '"WS-"000', "WS-113"),
        (7, r"\W\S\-000", "WS-007"),
        (42, '0"-18"', "42-18"),
        (2018042, '0000"/"000', "2018/042"),
        (3748136, "00 00 00 00", "03 74 81 36"),
        (5, "#,##0_);(#,##0)", "5"),
    ],
)
def test_what_is_shown(value: float, number_format: str, text: str):
    """Zeros and literals are part of the text; separators are how a number is written."""
    shown = shown_number(value, number_format)
    assert shown == text
    assert not isinstance(shown, Shown) or (shown.number, shown.why) == (str(value), "")


@pytest.mark.parametrize(
    ("value", "number_format"),
    [
        (1.1, "0"),
        (1.25, "0.0"),
        (0.5, "0%"),
        (12345678, "0.00E+00"),
        (12345, "0,"),
        (1, ";;;"),
        (0, '"Ja";;"Nej"'),
        (-5, "0;(0)"),
        (1234, '#,##0.00 "kr."'),
        (5, "[<100]00;0"),
        (7, "WS-000"),
        (5, '0"'),
    ],
)
def test_what_cannot_be_known(value: float, number_format: str):
    """Another form of the number is refused with the format, and the number is still known."""
    shown = shown_number(value, number_format)
    assert isinstance(shown, Shown)
    assert shown.number == str(value)
    assert f"which its cell shows in another form ({number_format})" in shown.why
