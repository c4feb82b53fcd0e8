"""Settings of all tests."""

from hypothesis import settings

# The time an example takes depends on what else the machine does.
settings.register_profile("no_deadline", deadline=None)
settings.load_profile("no_deadline")
