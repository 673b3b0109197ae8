"""deploy/prometheus.yml and deploy/alerts.yml against the metrics of the code."""

import re
from pathlib import Path
from typing import Any, get_args

import pytest
import yaml
from prometheus_client import REGISTRY

from clustertrack.reconcile.account_metrics import ReconcileMetrics
from clustertrack.settings import WorkerSettings
from schemas.faults import CODES
from schemas.ledger import Status
from streams import worker_metrics as metrics

ROOT = Path(__file__).parents[2]
COMPOSE: dict[str, Any] = yaml.safe_load((ROOT / "docker-compose.yml").read_text(encoding="utf-8"))
PROMETHEUS: dict[str, Any] = yaml.safe_load((ROOT / "deploy" / "prometheus.yml").read_text(encoding="utf-8"))
ALERTS: dict[str, Any] = yaml.safe_load((ROOT / "deploy" / "alerts.yml").read_text(encoding="utf-8"))
RULES = [pytest.param(rule, id=rule["alert"]) for group in ALERTS["groups"] for rule in group["rules"]]
JOBS = {job["job_name"]: job for job in PROMETHEUS["scrape_configs"]}

BUILT_IN = {"up": {"job", "instance"}}
"""Metrics that Prometheus makes itself."""


def labels_by_name() -> dict[str, set[str]]:
    """Every series name of a worker and of the account that a timer writes, with its labels."""
    found = dict(BUILT_IN)
    metric: Any
    for metric, names in ReconcileMetrics().registry._collector_to_names.items():
        found |= {name: set(metric._labelnames) for name in names}
    for metric in vars(metrics).values():
        labels = set(getattr(metric, "_labelnames", ()))
        for name in REGISTRY._collector_to_names.get(metric, ()) if hasattr(metric, "_labelnames") else ():
            found[name] = labels | ({"le"} if name.endswith("_bucket") else set())
    return found


def names_in(expression: str) -> set[str]:
    """Names of metrics in a PromQL expression: the ones of ours, and `up`."""
    return set(re.findall(r"\b(?:clustertrack_\w+|up)\b(?=[{\[\s)])", expression))


def test_workers_are_scraped_where_they_serve():
    """Prometheus looks for every worker of the compose file at the port that it serves."""
    workers = {name: service for name, service in COMPOSE["services"].items() if service.get("command") == ["worker"]}
    (found,) = JOBS["clustertrack-worker"]["dns_sd_configs"]
    assert set(found["names"]) == set(workers)
    assert {str(found["port"])} == {service["environment"]["METRICS_PORT"] for service in workers.values()}
    assert found["port"] == WorkerSettings.model_fields["metrics_port"].default
    # Prometheus asks for /metrics unless told otherwise; clustertrack.health serves it there.
    assert "metrics_path" not in JOBS["clustertrack-worker"]


def test_the_collector_is_scraped_where_it_serves():
    """Prometheus looks for the collector of the compose file at its metrics port, which is not the one for CRMs."""
    (found,) = JOBS["clustertrack-collector"]["dns_sd_configs"]
    service = COMPOSE["services"]["collector"]
    assert found["names"] == ["collector"]
    assert str(found["port"]) == service["environment"]["METRICS_PORT"]
    assert str(found["port"]) != service["environment"]["CLUSTERTRACK_COLLECTOR_PORT"]


def test_files_are_mounted_where_prometheus_reads_them():
    """The configuration and the rules that it names are mounted at those places."""
    service = COMPOSE["services"]["prometheus"]
    mounted = dict(volume.removesuffix(":ro").split(":") for volume in service["volumes"])
    assert mounted["./deploy/prometheus.yml"] in service["command"][0]
    assert PROMETHEUS["rule_files"] == [mounted["./deploy/alerts.yml"]]


@pytest.mark.parametrize("rule", RULES)
def test_alerts_name_metrics_that_exist(rule: dict[str, Any]):
    """Every series in an alert is one that a worker serves or the timer writes."""
    names = names_in(rule["expr"])
    assert names
    assert names <= set(labels_by_name())


@pytest.mark.parametrize("rule", RULES)
def test_alerts_use_labels_that_exist(rule: dict[str, Any]):
    """Selected, grouped and printed labels are labels of the metrics in the alert."""
    known = set().union(*(labels_by_name()[name] for name in names_in(rule["expr"])))
    used = set(re.findall(r"(\w+)=~?\"", rule["expr"]))
    for group in re.findall(r"\bby \(([^)]*)\)", rule["expr"]):
        used |= {label.strip() for label in group.split(",")}
    printed = set(re.findall(r"\$labels\.(\w+)", " ".join(rule["annotations"].values())))
    assert used | printed <= known


@pytest.mark.parametrize("rule", RULES)
def test_alerts_select_values_that_occur(rule: dict[str, Any]):
    """Outcomes, reasons, pipelines and jobs in an alert are those of the code."""
    allowed = {
        "outcome": set(get_args(Status)),
        "reason": set(CODES),
        "pipeline": {"events", "companies"},
        "job": set(JOBS),
    }
    for label, values in re.findall(r"(\w+)=~?\"([^\"]*)\"", rule["expr"]):
        assert set(values.split("|")) <= allowed[label]


@pytest.mark.parametrize("rule", RULES)
def test_alerts_say_what_to_do(rule: dict[str, Any]):
    """An alert has a severity, a summary and a description."""
    assert rule["labels"]["severity"] in {"page", "ticket"}
    assert rule["annotations"]["summary"]
    assert rule["annotations"]["description"].endswith(".")
