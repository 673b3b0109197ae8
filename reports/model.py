"""The annual report as data: the contract of `clustertrack report --format json`.

Fields are only ever added. Readers ignore keys that they do not know. There is no time stamp, so the same ledger gives
the same bytes, and `sha256` names them.
"""

import hashlib
import json
from datetime import date, datetime
from typing import Annotated, Any, Final, TypeVar

import rfc8785
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, NonNegativeInt

from schemas.indicators import HELPED, OUTCOMES

FIGURES: Final = (HELPED, *OUTCOMES)
"""The figures in the order of publication; helped = any activity that counts."""


class _Value(BaseModel):
    """A frozen value; a misspelt field is an error."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class Figures(_Value):
    """One figure: distinct companies after mergers, with size as at the report's day.

    `companies`, `under_50` and `unknown_size` count kind company on either basis; `participants_other` counts public
    bodies and institutions, which are in none of the others. `reported` and `derived` count the companies of one basis;
    a company can be in both. Helped has no basis: both are None there.
    """

    companies: NonNegativeInt = 0
    under_50: NonNegativeInt = 0
    unknown_size: NonNegativeInt = 0
    participants_other: NonNegativeInt = 0
    reported: NonNegativeInt | None = 0
    derived: NonNegativeInt | None = 0


class NationalFigures(Figures):
    """One figure of the whole country: every company once. In `sum_over_clusters` one in two clusters counts twice."""

    sum_over_clusters: NonNegativeInt = 0


Of = TypeVar("Of", bound=Figures)


def _without_basis(figures: Of) -> Of:
    return figures.model_copy(update={"reported": None, "derived": None})


_NO_BASIS: Final = AfterValidator(_without_basis)


class ClusterFigures(_Value):
    """The figures of one cluster organisation; `unknown` holds activity without a cluster."""

    cluster: str
    helped: Annotated[Figures, _NO_BASIS] = Field(Figures(), validate_default=True)
    new_competencies: Figures = Figures()
    new_ideas: Figures = Figures()
    new_products: Figures = Figures()


class Mapping(_Value):
    """Which outcomes follow from a type of event when it names none itself, and the pipeline version that says so."""

    version: int
    derived: dict[str, tuple[str, ...]]


class NotCounted(_Value):
    """Known gaps and caveats of the figures of one cluster.

    rejected: rejected records still open, each different message once. Of any year: a record that cannot be read does
    not say its year.
    retractions_without_activity: retractions that name no activity known here; of any year.
    activities_of_several_companies: activities of the year whose versions name several companies; the newest counts.
    companies_without_register_row: companies of the year that the register lacks; they count, with unknown attributes.
    """

    rejected: NonNegativeInt = 0
    retractions_without_activity: NonNegativeInt = 0
    activities_of_several_companies: NonNegativeInt = 0
    companies_without_register_row: NonNegativeInt = 0


class ClusterNotCounted(NotCounted):
    """The same with the cluster's name; `unknown` where source and activity do not name the cluster."""

    cluster: str


class AllNotCounted(NotCounted):
    """The same of all clusters together: every company once, so that it can be less than the clusters' sum."""

    clusters: tuple[ClusterNotCounted, ...] = ()


class PreviousYear(_Value):
    """The year before, as known at the same instant: outcome -> companies of the whole country."""

    year: int
    companies: dict[str, NonNegativeInt]


class AnnualReport(_Value):
    """The annual statistics of one calendar year.

    `as_known_on`: all that was known by the end of that day in Europe/Copenhagen, or at that instant; None for the
    present. `size_as_at`: the day of sizes and mergers, always 31 December. `provisional`: the year had not ended.
    `begun`: the year had begun. `known_since`: when the first of all activity that was known became known, None while
    there was none. `previous_year`: None when nothing was known of it.
    """

    year: int
    as_known_on: date | datetime | None
    size_as_at: date
    provisional: bool
    begun: bool = True
    known_since: datetime | None = None
    ledger_begins: datetime | None = Field(None, exclude=True)
    """When the ledger's first activity became known, which may be later than what the report speaks for. Not a part of
    the report: it is None until then."""
    helped: Annotated[NationalFigures, _NO_BASIS] = Field(NationalFigures(), validate_default=True)
    new_competencies: NationalFigures = NationalFigures()
    new_ideas: NationalFigures = NationalFigures()
    new_products: NationalFigures = NationalFigures()
    clusters: tuple[ClusterFigures, ...] = ()
    mapping: Mapping
    not_counted: AllNotCounted = AllNotCounted()
    previous_year: PreviousYear | None = None

    def figures(self) -> dict[str, NationalFigures]:
        """The national figures by outcome, in the order of publication."""
        return {outcome: getattr(self, outcome) for outcome in FIGURES}

    @property
    def sha256(self) -> str:
        """SHA-256 (hex) of the report's RFC 8785 form, this field left out."""
        return hashlib.sha256(rfc8785.dumps(self.model_dump(mode="json"))).hexdigest()

    def as_dict(self) -> dict[str, Any]:
        """The report as JSON types, `sha256` last."""
        return {**self.model_dump(mode="json"), "sha256": self.sha256}

    def as_json(self) -> str:
        """The report as indented JSON with a newline at the end."""
        return json.dumps(self.as_dict(), ensure_ascii=False, indent=2) + "\n"
