"""A register file -> records: bad rows, companies left out, and the topic as it was before."""

from collections.abc import Iterable
from pathlib import Path

import pytest

from schemas.company import CompanyVersion, read_company
from sources.files.buckets import Buckets
from sources.files.refused_rows import Refusal, RefusedRows
from sources.files.source_file import FileFault
from sources.publisher import MemoryPublisher
from sources.register.register_file import Loaded, Loader, Refusals, RegisterFile, spread_known

HEADER = "cvr,valid_from,name,legal_form,employees,region,industry_scheme,industry,successor_cvr,successor_from"
REVISION = 1_580_000_000_000
ARRIVED = 1_600_000_000_000


def register(folder: Path, *rows: str, header: str = HEADER) -> Path:
    """A register file."""
    path = folder / "register.csv"
    path.write_text("\n".join([header, *rows]) + "\n", encoding="utf-8")
    return path


def load(
    path: Path, known: Iterable[CompanyVersion] = (), *, revision: int = REVISION
) -> tuple[Loaded, list[CompanyVersion], list[Refusal]]:
    """All three rounds: (counts, records sent, refusals)."""
    file, publisher, listed = RegisterFile(path), MemoryPublisher(), list[Refusal]()
    sheet = file.sheet
    refused_rows = RefusedRows(path, header=sheet.header, encoding=sheet.encoding, separator=sheet.separator)
    refusals = Refusals(listed.append, refused_rows)
    loader = Loader(file, revision=revision, refusals=refusals, examples=1)
    with Buckets() as rows, Buckets() as before:
        file.spread(rows, lambda _: None, refusals.add)
        spread_known(known, before)
        loaded = loader.load(rows, before, publisher, lambda _: None)
    loaded.refused_file = refusals.finish()
    sent = [read_company(key, value, ARRIVED) for key, value, _ in publisher.sent]
    assert not [one for one in sent if isinstance(one, list)]
    return loaded, [one for one in sent if isinstance(one, CompanyVersion)], listed


def test_versions_arrive(tmp_path: Path):
    """Rows become records under CVR/valid_from, with the legal form that decides what they are."""
    path = register(
        tmp_path,
        "13748136,1999-01-01,Alfa A/S,60,12,DK032,DB07,620100,,",
        "DK 13 58 56 28,2001-01-01,Beta,230,,,,,,",
        "10150817,2001-01-01,Gamma,60,ANTAL_10_19,,,,,",
    )
    loaded, sent, refusals = load(path)
    assert not refusals
    assert (loaded.companies, loaded.records, loaded.changed, loaded.withdrawn) == (3, 3, 3, 0)
    assert {one.key: one.legal_form for one in sent} == {
        b"13748136/1999-01-01": "60",
        b"13585628/2001-01-01": "230",
        b"10150817/2001-01-01": "60",
    }
    assert {one.revision for one in sent} == {REVISION}
    assert loaded.refused_file is None


def test_columns_in_any_order(tmp_path: Path):
    """Columns go by name, the optional ones may be there, and Excel's semicolons are read too."""
    header = ";".join(["ceased_on", "municipality", *reversed(HEADER.split(","))])
    path = register(tmp_path, "2018-07-21;101;;;;;;;60;Alfa;2010-01-01;13748136", header=header)
    _, sent, refusals = load(path)
    assert not refusals
    assert [(str(one.valid_from), str(one.ceased_on), one.nuts) for one in sent] == [
        ("2010-01-01", "None", "DK011"),
        ("2018-07-21", "2018-07-21", "DK011"),
    ]


def test_company_with_a_bad_row_is_left_out(tmp_path: Path):
    """One bad row keeps all rows of its company out, each is listed and written next to the file; the rest loads."""
    path = register(
        tmp_path,
        "13748136,1999-01-01,Alfa,60,12,,,,,",
        "13585628,2001-01-01,Beta,60,1,,,,,",
        "13748136,2005-02-31,Alfa,60,60,,,,,",
        "13585627,2001-01-01,Wrong,60,1,,,,,",
        ",2001-01-01,None,60,1,,,,,",
        "10150817,2001-01-01,Short",
        '10150817,2002-01-01,"Stray" mark,60,1,,,,,',
    )
    loaded, sent, refusals = load(path)
    assert [one.cvr for one in sent] == [13585628]
    assert (loaded.companies, loaded.left_out, loaded.refused) == (1, 2, 6)
    assert [(refusal.line, refusal.field) for refusal in refusals] == [
        (2, "cvr"),
        (4, "valid_from"),
        (5, "cvr"),
        (6, "cvr"),
        (7, "legal_form"),
        (8, ""),
    ]
    assert refusals[0].reason == "left out, as line 4 of the same company is refused"
    assert "modulus 11" in refusals[2].reason
    assert loaded.refused_file == tmp_path / "register.csv.refused.csv"
    lines = loaded.refused_file.read_text(encoding="utf-8").splitlines()
    assert lines[0] == "line,field,reason," + HEADER
    assert lines[1].endswith('refused",13748136,1999-01-01,Alfa,60,12,,,,,')
    assert len(lines) == 7


def test_rows_that_contradict_each_other(tmp_path: Path):
    """Two states of one day leave the company out, both lines named."""
    path = register(tmp_path, "13748136,1999-01-01,Alfa,60,12,,,,,", "13748136,1999-01-01,Alfa,60,13,,,,,")
    loaded, sent, refusals = load(path)
    assert not sent
    assert loaded.left_out == 1
    assert [(refusal.line, refusal.field) for refusal in refusals] == [(2, "cvr"), (3, "valid_from")]


def test_next_extract(tmp_path: Path):
    """A later extract withdraws what it lacks of its companies, others stay; the older one then changes nothing."""
    older = register(
        tmp_path,
        "13748136,1999-01-01,Alfa,60,12,,,,,",
        "13748136,2005-01-01,Alfa,60,60,,,,,",
        "13585628,2001-01-01,Beta,60,1,,,,,",
    )
    _, first, _ = load(older)
    newer = register(tmp_path, "13748136,1999-01-01,Alfa,60,12,,,,,")
    loaded, second, _ = load(newer, first, revision=REVISION + 1)
    assert [(one.key, one.withdrawn) for one in second] == [
        (b"13748136/1999-01-01", False),
        (b"13748136/2005-01-01", True),
    ]
    assert (loaded.changed, loaded.withdrawn) == (0, 1)
    older = register(tmp_path, "13748136,1999-01-01,Alfa,60,12,,,,,", "13748136,2005-01-01,Alfa,60,60,,,,,")
    loaded, third, _ = load(older, [*first, *second])
    assert not third
    assert (loaded.outdated, loaded.refused) == (1, 0)


def test_two_extracts_of_one_instant(tmp_path: Path):
    """Another extract with the same as-of instant is refused with what to do."""
    _, first, _ = load(register(tmp_path, "13748136,1999-01-01,Alfa,60,12,,,,,"))
    loaded, sent, refusals = load(register(tmp_path, "13748136,1999-01-01,Alfa,60,13,,,,,"), first)
    assert not sent
    assert loaded.left_out == 1
    assert "give a later --as-of" in refusals[0].reason


@pytest.mark.parametrize(
    ("header", "message"),
    [
        pytest.param(HEADER.replace("region", "regoin"), "no column 'region'", id="missing"),
        pytest.param(HEADER + ",ceasedon", "unknown column 'ceasedon'", id="unknown"),
        pytest.param(HEADER + ",name", "column 'name' twice", id="twice"),
    ],
)
def test_columns_are_a_contract(tmp_path: Path, header: str, message: str):
    """A column that is missing, unknown or there twice is named; nothing is guessed."""
    with pytest.raises(FileFault, match=message):
        RegisterFile(register(tmp_path, header=header))


def test_other_encodings(tmp_path: Path):
    """A register that is not UTF-8 is refused with what to do."""
    path = tmp_path / "register.csv"
    path.write_bytes((HEADER + "\n13748136,1999-01-01,Bl\xe5b\xe6r,60,12,,,,,\n").encode("cp1252"))
    with pytest.raises(FileFault, match="line 2 is not UTF-8: save it as CSV UTF-8"):
        RegisterFile(path)


BEFORE = ("13748136,2010-01-01,Alfa,60,12,,,,,", "13748136,2018-01-01,Alfa,60,12,,,,,")


@pytest.mark.parametrize(
    ("header", "rows"),
    [
        pytest.param(
            "name,successor_cvr,cvr,valid_from,legal_form,employees,region,industry_scheme,industry,successor_from",
            ["Alfa,,13748136,2010-01-01,60,12,,,,", "Alfa, A/S,25063864,13748136,2018-01-01,60,12,,,,"],
            id="a separator in the name",
        ),
        pytest.param(
            "successor_cvr,cvr,valid_from,name,legal_form,employees,region,industry_scheme,industry,successor_from",
            [",13748136,2010-01-01,Alfa,60,12,,,,", ",25063864,13748136,2018-01-01,Alfa,60,12,,,"],
            id="as many cells as the header",
        ),
        pytest.param(
            HEADER + ",", ["13748136,2010-01-01,Alfa,60,12,,,,,,", "25063864,13748136,2018-01-01,Alfa,60,12,,,,"],
            id="no cell under the last separator",
        ),
        pytest.param(
            HEADER,
            [BEFORE[0], '25063864,2018-01-01,"Beta,60,12,,,,,\r13748136,2018-01-01,Alfa",60,12,,,,,'],
            id="swallowed",
        ),
    ],
)  # fmt: skip
def test_shifted_rows_name_no_company(tmp_path: Path, header: str, rows: list[str]):
    """Where cells have shifted, the company in the row may be another: nothing is withdrawn."""
    _, before, _ = load(register(tmp_path, *BEFORE))
    loaded, sent, _ = load(register(tmp_path, *rows, header=header), before, revision=REVISION + 1)
    assert (loaded.unknown, loaded.withdrawn, loaded.refused) == (1, 0, 1)
    assert [one.key for one in sent] == [b"13748136/2010-01-01"]


@pytest.mark.parametrize(
    "cvr", ["CVR 13748136", '"=""13748136"""', "13748136.0", "13748136\u200b", "DK-13748136", "\u00a013748136"]
)
def test_register_cells_have_one_form(tmp_path: Path, cvr: str):
    """CVR numbers are read as `publish` reads them, and nothing invisible or decomposed is kept."""
    path = register(
        tmp_path, f"{cvr},2010-01-01\u200b,A\u030alborg,60\u200b,12\u00a0,,,,,", "13748136,2010-01-01,Ålborg,60,12,,,,,"
    )
    loaded, [sent], refusals = load(path)
    assert (loaded.companies, refusals, sent.name) == (1, [], "Ålborg")


@pytest.mark.parametrize("error", ["#I/T", "#NAVN?", "#N/A", "\u200b#I/T"])
def test_errors_in_a_register(tmp_path: Path, error: str):
    """A cell that shows an error says nothing about its company; in the CVR column it names none."""
    path = register(tmp_path, f"13748136,2010-01-01,{error},60,12,,,,,", f"{error},2010-01-01,Beta,60,12,,,,,")
    loaded, sent, refusals = load(path)
    assert (sent, loaded.left_out, loaded.unknown) == ([], 1, 1)
    assert [one.field for one in refusals] == ["name", "cvr"]
