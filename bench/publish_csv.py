"""How fast `publish` takes a large CSV, and with how much memory: prints events/s and the peak resident size.

    python bench/publish_csv.py --megabytes 300 [--dry-run] [--shared-ids]

Needs a Kafka with the events topic (KAFKA_BOOTSTRAP_SERVERS), as `clustertrack up` starts it; --dry-run needs none. The
file is synthetic, written to a temporary folder and removed.
"""

import argparse
import json
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from random import Random

MAPPING = """
source = "https://crm.foodbio.example"
encoding = "cp1252"
separator = ";"
[fields]
subject = "CVR-nr"
activity_id = "{Workshop}/{CVR-nr}"
type = {column = "Type", values = {"Kursus" = "workshop.attended", "Projekt" = "project.started"}}
occurred_on = {column = "Dato", format = "%d-%m-%Y"}
time = {column = "Opdateret", format = "%d-%m-%Y %H:%M"}
outcomes = {column = "Udbytte", values = {"Kompetencer" = "new_competencies"}}
title = "Titel"
"""
COMPANIES = 18_000
SEED = 2018


def valid_cvr(rng: Random) -> str:
    """A number that passes the modulus 11 check."""
    while True:
        digits = [rng.randint(1, 9), *(rng.randint(0, 9) for _ in range(6))]
        rest = sum(weight * digit for weight, digit in zip((2, 7, 6, 5, 4, 3, 2), digits, strict=True)) % 11
        if rest != 1:
            return "".join(map(str, digits)) + str((11 - rest) % 11)


def write_csv(path: Path, megabytes: float) -> int:
    """Write an export of about that size; returns its rows."""
    rng = Random(SEED)  # noqa: S311  (synthetic data)
    companies = [valid_cvr(rng) for _ in range(COMPANIES)]
    rows = 0
    with path.open("w", encoding="cp1252", newline="") as stream:
        stream.write("Rækkenr;CVR-nr;Virksomhed;Type;Workshop;Titel;Dato;Opdateret;Udbytte;Bemærkning\r\n")
        while stream.tell() < megabytes * 1_000_000:
            for _ in range(1_000):
                rows += 1
                day = f"{rng.randint(1, 28):02d}-{rng.randint(1, 12):02d}-{rng.randint(2017, 2019)}"
                clock = f"{rng.randint(4, 23):02d}:{rng.randint(0, 59):02d}"
                stream.write(
                    f"{rows};{rng.choice(companies)};Syntetisk Møbelfabrik ApS;{rng.choice(('Kursus', 'Projekt'))};"
                    f"WS-{rows};Syntetisk: bæredygtige materialer;{day};{day} {clock};Kompetencer;ingen\r\n"
                )
    return rows


def main() -> None:
    """Write, publish, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--megabytes", type=float, default=50)
    parser.add_argument("--dry-run", action="store_true")
    parser.add_argument(
        "--shared-ids", action="store_true", help="ids do not end with the company: two that share one are looked for"
    )
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        export = Path(folder, "export.csv")
        rows = write_csv(export, options.megabytes)
        mapping = MAPPING.replace("{Workshop}/{CVR-nr}", "{Workshop}") if options.shared_ids else MAPPING
        export.with_name("export.mapping.toml").write_text(mapping, encoding="utf-8")
        command = [sys.executable, "-m", "clustertrack", "publish", str(export)]
        began = time.perf_counter()
        done = subprocess.run([*command, *(["--dry-run"] if options.dry_run else [])], check=False)
        seconds = time.perf_counter() - began
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    figures = {
        "rows": rows,
        "exit_code": done.returncode,
        "seconds": round(seconds, 1),
        "events_per_second": round(rows / seconds),
        "events_per_cpu_second": round(rows / (used.ru_utime + used.ru_stime)),
        "peak_rss_mb": round(used.ru_maxrss / 1024),
    }
    print(json.dumps(figures))  # noqa: T201  (the result)


if __name__ == "__main__":
    main()
