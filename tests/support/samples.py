"""Events for tests: one builder; every field can be replaced or left out."""

import json
from datetime import date
from typing import Any

from schemas.clusters import Cluster, ClusterRegistry

SOURCE = "https://crm.foodbio.example"
CVRS = (13748136, 13585628, 10150817, 24256790, 61056416, 22756214, 36213728, 54562713)
"""Valid CVR numbers."""

CLUSTERS = ClusterRegistry((Cluster(slug="food-bio", name="Food", valid_from=date(2000, 1, 1), sources=(SOURCE,)),))


def event(
    company: int = CVRS[0], activity: str = "WS-1", *, time: str = "2018-05-03T14:05:09Z", **fields: Any
) -> bytes:
    """A valid workshop.attended; `fields` replace those of the envelope, `data` those of data; ... leaves one out."""
    data = {"activity_id": activity, "occurred_on": "2018-05-03", **fields.pop("data", {})}
    document = {
        "specversion": "1.0",
        "id": f"{activity}@{time}",
        "source": SOURCE,
        "type": "org.clustertrack.workshop.attended.v1",
        "subject": f"{company:08d}",
        "time": time,
        "data": {name: value for name, value in data.items() if value is not ...},
        **fields,
    }
    return json.dumps({name: value for name, value in document.items() if value is not ...}).encode()
