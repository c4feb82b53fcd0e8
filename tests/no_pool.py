"""Workers that must not be asked."""


class NoPool:
    """Stands where the engine has to decide by itself."""

    def submit(self, job):
        raise AssertionError(f"not decided without a worker: {job}")
