"""Synthetic clusters, companies and activity, with a truth that is drawn first and counted without the pipeline.

    scenario.py   how many of everything; `published` gives the published figures of 2018
    clusters.py   the invented cluster registry and how each CRM exports
    world.py      companies, sizes, mergers, public bodies, and who had which outcome in 2018
    final.py      the activities that count at the end
    truth.py      the figures, by a plain count over the above
    history.py    how each activity came to its final state: versions, corrections, retractions
    invalid.py    records that a worker must reject; refused.py: rows from which no event can be built
    noise.py      duplicates, disorder, records on the wrong partition
    exports.py    files as CRMs write them; layouts.py: the columns of the spreadsheets; raw.py: a plain producer
    build.py      all of it in order

Everything follows from the scenario and the seed: the same two give byte-identical files.
"""
