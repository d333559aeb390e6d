"""Is this object ready, still on its way, or failed, and why. Pure: the caller watches and brings the time."""
