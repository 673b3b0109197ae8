"""Java's own producer, in a process of its own: a plan of JSON comes on standard input, offsets go to standard output.

    {"jvm": "libjvm.so", "jars": "folder", "jobs": [{"settings": {...}, "topic": "...", "transactional": false,
     "parts": [{"commit": true, "records": [[key, value, [[name, value], ...], partition], ...]}, ...]}, ...]}

Bytes are base64, and everything but names of headers may be null. The answer has for each job the list of
[partition, offset] of each part.
"""

import base64
import json
import os
import sys
from pathlib import Path
from typing import Any

import jpype


def main() -> None:
    """Carry a plan out."""
    plan = json.load(sys.stdin)
    # What Java logs must not come between the lines of the answer.
    answer = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    jpype.startJVM(
        "-Xmx256m",
        "-Dlog4j2.level=OFF",
        jvmpath=plan["jvm"],
        classpath=[str(jar) for jar in sorted(Path(plan["jars"]).glob("*.jar"))],
        convertStrings=False,
    )
    kafka = _Kafka()
    answer.write(json.dumps([kafka.carry_out(job) for job in plan["jobs"]]))
    answer.close()


class _Kafka:
    """Java's classes, each looked up once."""

    def __init__(self) -> None:
        self.producer = jpype.JClass("org.apache.kafka.clients.producer.KafkaProducer")
        self.serializer = jpype.JClass("org.apache.kafka.common.serialization.ByteArraySerializer")
        self.record = jpype.JClass("org.apache.kafka.clients.producer.ProducerRecord")
        self.header = jpype.JClass("org.apache.kafka.common.header.internals.RecordHeader")
        self.list = jpype.JClass("java.util.ArrayList")
        self.map = jpype.JClass("java.util.HashMap")
        self.integer = jpype.JClass("java.lang.Integer")
        self.bytes = jpype.JArray(jpype.JByte)
        self.null = jpype.JObject(None, self.bytes)
        """Typed: null alone would fit several constructors."""

    def carry_out(self, job: dict[str, Any]) -> list[list[tuple[int, int]]]:
        """The places of the records of each part."""
        settings = self.map()
        for name, value in job["settings"].items():
            settings.put(name, value)
        producer = self.producer(settings, self.serializer(), self.serializer())
        try:
            if job["transactional"]:
                producer.initTransactions()
            return [self._sent(producer, job, part) for part in job["parts"]]
        finally:
            producer.close()

    def _sent(self, producer: Any, job: dict[str, Any], part: dict[str, Any]) -> list[tuple[int, int]]:
        if job["transactional"]:
            producer.beginTransaction()
        waiting = [producer.send(self._record(job["topic"], *record)) for record in part["records"]]
        producer.flush()
        found = [(int(answer.partition()), int(answer.offset())) for answer in (future.get() for future in waiting)]
        if job["transactional"]:
            producer.commitTransaction() if part["commit"] else producer.abortTransaction()
        return found

    def _record(
        self,
        topic: str,
        key: str | None,
        value: str | None,
        headers: list[tuple[str, str | None]],
        partition: int | None,
    ) -> Any:
        named = self.list()
        for name, content in headers:
            named.add(self.header(name, self._bytes(content)))
        place = None if partition is None else self.integer(partition)
        return self.record(topic, place, None, self._bytes(key), self._bytes(value), named)

    def _bytes(self, text: str | None) -> Any:
        return self.null if text is None else self.bytes(base64.b64decode(text))


if __name__ == "__main__":
    main()
