"""How Hypothesis looks for examples here."""

from hypothesis import HealthCheck, settings

# How long one example takes says nothing when Kafka starts at the same time; how often one fails does.
settings.register_profile("busy machine", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("busy machine")
