"""How unit tests run, whatever else the machine does at the time."""

from hypothesis import HealthCheck, settings

# Examples that take long to run or to make are no fault where other work has the processor.
settings.register_profile("busy machine", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("busy machine")
