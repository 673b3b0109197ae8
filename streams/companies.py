"""The second agent's step: records of the company register, on their way into the ledger. Pure.

The topic is compacted, so its records have no receipts; what cannot be read goes to `rejected` like any other record.
"""

from collections.abc import Mapping, Sequence

from schemas.company import read_company
from schemas.faults import Fault, fault
from schemas.ledger import CompanyRow
from streams.batch import Batch, Place, Record, reject


def process_companies(place: Place, records: Sequence[Record], *, condemned: Mapping[int, str]) -> Batch:
    """Decide on records of one partition of the register.

    Args:
        place: where the records stand.
        records: consecutive records of that partition.
        condemned: offset -> fault code of records that cannot be processed or stored.
    """
    batch = Batch()
    for record in records:
        if record.offset in condemned:
            read: object = [fault("", condemned[record.offset])]
        else:
            read = read_company(record.key, record.value)
        if isinstance(read, list):
            faults: list[Fault] = read
            reject(batch, place, record, faults)
        else:
            batch.rows.companies.append(CompanyRow(read, record.timestamp))  # type: ignore[arg-type]
    return batch
