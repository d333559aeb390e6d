"""How unit tests run, whatever else the machine does at the time."""

from hypothesis import settings

# An example that takes longer than 200 ms is no fault where other work has the processor.
settings.register_profile("busy machine", deadline=None)
settings.load_profile("busy machine")
