"""The cells of a workbook as its XML has them. One without a value of its own is neither empty nor 0."""

import re
from typing import IO, Any, Final

from openpyxl.utils.cell import coordinate_to_tuple
from openpyxl.worksheet._reader import FORMULA_TAG, VALUE_TAG, WorkSheetParser

from sources.files.cell_texts import Unreadable
from sources.files.workbook_moments import restore_moment

_REFERENCE: Final = re.compile(
    r"[+=(\s]*+(?:(?:_xlfn\.|IFERROR\(|IFNA\()\s?)*+"
    r"(?:(?:VLOOKUP|HLOOKUP|LOOKUP|XLOOKUP|INDEX|INDIRECT|OFFSET)\(.*"
    r"|[\w.]{0,255}\[(?:[^\[\]]|\[[^\[\]]*\])*\]\)*"
    r"|(?:(?:'(?:[^']|'')+'|[^'!()+*/&\s-]+)!)?\$?[A-Z]{1,3}\$?[0-9]{1,7}\)*)",
    re.IGNORECASE | re.DOTALL,
)
"""A formula whose value is that of another cell: 0 where that is empty."""
_LONGEST_FORMULA: Final = 8_192
"""Characters of a formula in Excel."""
_NO_VALUE: Final = "holds a formula without a value: open the workbook in Excel and save it"
_NOT_CALCULATED: Final = "holds a formula that is calculated when Excel opens the workbook: open it there and save it"
_OF_EMPTY: Final = (
    "holds a formula that gives 0, as for an empty cell: fill in the cell that it refers to, or clear this one"
)
_NO_TEXT: Final = "refers to a text that the workbook does not have: fill in the cell, and save the workbook again"
_NO_DATE: Final = "which is no date, in a cell that shows dates: correct it"
_ERROR: Final = "holds an error: fix the formula in the spreadsheet"


class CellParser(WorkSheetParser):
    """openpyxl's parser, which takes a formula without a stored value for an empty cell, and raises at a bad one."""

    recalculated = False
    """Whether the stored values of formulas may be those of a program that does not calculate."""
    shared: dict[str, str]
    """Formulas that several cells share, by their number."""

    @classmethod
    def of(cls, workbook: Any, sheet: Any, source: IO[bytes], *, recalculated: bool) -> "CellParser":  # noqa: ANN401  (openpyxl's)
        """As openpyxl makes it for its read-only sheets."""
        made = cls(
            source,
            sheet._shared_strings,  # noqa: SLF001  (test_workbook holds it)
            data_only=True,
            epoch=workbook.epoch,
            date_formats=workbook._date_formats,  # noqa: SLF001  (test_workbook holds it)
            timedelta_formats=workbook._timedelta_formats,  # noqa: SLF001  (test_workbook holds it)
        )
        made.recalculated, made.shared = recalculated, {}
        return made

    def parse_cell(self, element: Any) -> Any:  # noqa: ANN401  (openpyxl's)
        """See openpyxl. What it cannot read is a cell without a value, not a broken workbook."""
        kind = element.get("t", "n")
        try:
            cell = super().parse_cell(element)
            restore_moment(cell, kind, element.findtext(VALUE_TAG, ""))
        except (ArithmeticError, IndexError, TypeError, ValueError):
            row, column = self.row_counter, self.col_counter
            if place := element.get("r"):
                row, column = coordinate_to_tuple(place)
            written = element.findtext(VALUE_TAG, "")
            why = _NO_TEXT if kind == "s" else f"holds {written[:40]}, which its cell cannot hold: correct it"
            value = Unreadable("" if kind == "s" else written, why)
            return {"row": row, "column": column, "value": value, "data_type": "s", "style_id": 0}
        if kind == "s" and element.findtext(VALUE_TAG, "").lstrip().startswith("-"):
            cell["value"] = Unreadable("", _NO_TEXT)
        elif kind == "e" and cell["value"] is None:
            cell["value"] = Unreadable("", _ERROR)
        elif kind == "n" and cell["data_type"] == "e":
            written = element.findtext(VALUE_TAG, "")
            cell["value"] = Unreadable(written, f"holds {written[:40]}, {_NO_DATE}")
        if (formula := element.find(FORMULA_TAG)) is not None:
            self._check_formula(formula, element.find(VALUE_TAG), kind, cell)
        return cell

    def _check_formula(self, formula: Any, stored: Any, kind: str, cell: dict[str, Any]) -> None:  # noqa: ANN401  (openpyxl's)
        """A formula whose result is an empty text has the type `str` and an empty value."""
        shared = formula.get("si")
        if formula.text and shared is not None:
            self.shared[shared] = formula.text
        if cell["value"] is None and (kind != "str" or stored is None):
            cell["value"] = Unreadable("", _NO_VALUE)
        elif kind == "n" and stored is not None and stored.text and not stored.text.strip("0. "):
            text = formula.text or self.shared.get(shared, "")
            if self.recalculated:
                cell["value"] = Unreadable("0", _NOT_CALCULATED)
            elif _REFERENCE.fullmatch(text[:_LONGEST_FORMULA]):
                cell["value"] = Unreadable("0", _OF_EMPTY, mild=True)
