"""Every cell of every view equals a brute-force count over random histories, however they were loaded."""

import random
from collections.abc import Callable
from typing import Any

import pytest
from tally.calls import Model, calls, difference, one_of_each
from tally.compare import compare
from tally.histories import YEARS, random_history
from tally.ledger import keep_unmerged, load, load_strays, merge

pytestmark = [pytest.mark.integration, pytest.mark.timeout(900)]

SEEDS = (1, 2)


def test_every_cell_of_every_view(
    new_ledger: Callable[..., Any], agree: Callable[..., None], seed: int, *, thorough: bool
):
    """Rows in any order and cut, once or twice, merged or not: the views give what the model counts."""
    large = thorough or seed != SEEDS[0]
    model = Model(random_history(seed, activities=1000, companies=200) if large else random_history(seed))
    rng = random.Random(seed)

    def look(what: str, *, whole: bool = False) -> None:
        wanted = calls(model.history, rng.randrange(2**32), YEARS, thorough=thorough)
        agree(client, model, wanted if whole or thorough else one_of_each(rng, wanted), seed, what)

    with new_ledger() as client:
        keep_unmerged(client)
        load(client, model.history, rng)
        look("loaded once", whole=seed == SEEDS[0])
        load(client, model.history, rng, parts=7)
        if thorough or seed != SEEDS[0]:
            look("loaded twice")
        merge(client)
        look("loaded twice and merged")


def test_the_current_table_is_proved(new_ledger: Callable[..., Any], seed: int):
    """A newest version, a retraction or an activity that only the table of newest versions has is named."""
    model = Model(random_history(seed, activities=60))
    rng = random.Random(seed)
    rows = rng.sample(model.history.activities, 12)
    strays = [row._replace(revision=row.revision + 2**64 * rng.choice((-1, 1))) for row in rows[:8]]
    strays += [row._replace(activity_id=f"{row.activity_id}?") for row in rows[8:]]
    assert difference(strays).rows(model)
    with new_ledger() as client:
        load(client, model.history, rng)
        load_strays(client, strays)
        found = compare(client, model, difference(strays))
        assert found is None, f"seed {seed}: {found}"
