"""The second agent's step: records of the company register, on their way into the ledger. Pure.

The topic is compacted, so its records have no receipts; what cannot be read goes to `rejected` like any other record.
"""

from collections.abc import Mapping, Sequence

from brokers.batches import weight
from schemas.company import CompanyVersion, read_company
from schemas.faults import Fault, fault
from schemas.ledger import CompanyRow
from streams.decide import Batch, PartitionInfo, Record, cut_of, reject


def process_companies(place: PartitionInfo, records: Sequence[Record], *, condemned: Mapping[int, str]) -> Batch:
    """Decide on records of one partition of the register.

    Args:
        place: where the records are.
        records: consecutive records of that partition.
        condemned: offset -> fault code of records that cannot be processed or stored.
    """
    batch = Batch(weight=sum(map(weight, records)))
    for record in records:
        reason = condemned.get(record.offset)
        version = read_record(record) if reason is None else [fault("", reason)]
        if isinstance(version, list):
            reject(batch, place, record, version)
        else:
            batch.rows.companies.append(CompanyRow(version, record.timestamp))
    return batch


def read_record(record: Record) -> CompanyVersion | list[Fault]:
    """What a record of the register says, or all that is wrong with it; for the ledger and the register in memory."""
    if (cut := cut_of(record)) is not None:
        return [fault("", cut.code, cut.value)]
    return read_company(record.key, record.value, record.timestamp)
