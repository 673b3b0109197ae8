"""Click's and pydantic's findings in our words."""

import subprocess
import sys

import click
import pytest
from pydantic import BaseModel, Field, ValidationError

from clustertrack.cli import root
from schemas.usage_sentences import click_sentence, pydantic_words

UP, REPORT = "see `clustertrack up --help`", "see `clustertrack report --help`"


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        pytest.param("up --port-base abc", f"--port-base: 'abc' is not a whole number; {UP}", id="no number"),
        pytest.param("up --port-base 80", f"--port-base: 80 is not from 1024 to 65535; {UP}", id="range"),
        pytest.param("up --data README.md", f"--data: 'README.md' is a file, not a folder; {UP}", id="a file"),
        pytest.param("report", f"--year is missing; {REPORT}", id="missing"),
        pytest.param("report --yaer 1", f"there is no option --yaer (did you mean --year?); {REPORT}", id="option"),
        pytest.param("report --year", "--year needs a value", id="no value"),
        pytest.param("report --year 2018 x", f"too many arguments: x; {REPORT}", id="too many"),
        pytest.param(
            "report --year 2018 --format pdf",
            f"--format: 'pdf' is none of 'text', 'json', 'csv'; {REPORT}",
            id="choice",
        ),
        pytest.param(
            "report --year 2018 --as-known-on 3/1",
            f"--as-known-on: '3/1' is no day: write 2019-03-31, or a time such as 2019-03-31T14:05:00; {REPORT}",
            id="ours",
        ),
        pytest.param("status --json=1", "--json takes no value", id="a flag"),
        pytest.param(
            "reprot", "there is no command reprot (did you mean report?); see `clustertrack --help`", id="verb"
        ),
        pytest.param(
            "rejected replay --edit nowhere.json",
            "--edit: there is no file 'nowhere.json'; see `clustertrack rejected replay --help`",
            id="no file",
        ),
        *(
            pytest.param(
                f"publish x.csv --snapshot {option} {day}",
                f"{option}: '{day}' is no day: write 2019-03-31; see `clustertrack publish --help`",
                id=f"no day {option}",
            )
            for option, day in (("--from", "abc"), ("--to", "31-03-2019"))
        ),
        pytest.param(
            "rejected list --limit 0",
            "--limit: 0 is not from 1 to 100000; see `clustertrack rejected list --help`",
            id="a verb of a verb",
        ),
    ],
)
def test_click(arguments: str, sentence: str):
    """One sentence: which option, what is wrong with it, where help is."""
    with pytest.raises(click.ClickException) as caught:
        root.main(arguments.split(), prog_name="clustertrack", standalone_mode=False)
    assert click_sentence(caught.value) == sentence


def test_as_a_process():
    """The shape of our own errors, on one line, with exit code 2."""
    done = subprocess.run(
        [sys.executable, "-m", "clustertrack", "report"], capture_output=True, text=True, timeout=60, check=False
    )
    assert (done.returncode, done.stdout, done.stderr) == (2, "", f"error: --year is missing; {REPORT}\n")


class Model(BaseModel):
    """A field of each kind."""

    whole: int = Field(1, ge=1, le=9)
    truth: bool = False
    text: str = Field("", max_length=2)


@pytest.mark.parametrize(
    ("field", "value", "words"),
    [
        pytest.param("whole", "many", "it is not a whole number", id="no number"),
        pytest.param("whole", 0, "it is less than 1", id="too little"),
        pytest.param("whole", 10, "it is more than 9", id="too much"),
        pytest.param("truth", "perhaps", "it is neither true nor false", id="no truth"),
        pytest.param("text", "abc", "it has more characters than 2", id="too long"),
        pytest.param("text", 1, "it is not a text", id="no text"),
    ],
)
def test_pydantic(field: str, value: object, words: str):
    """No "Input should be": what is wrong with the value."""
    with pytest.raises(ValidationError) as caught:
        Model(**{field: value})
    assert pydantic_words(caught.value.errors()[0]) == words
