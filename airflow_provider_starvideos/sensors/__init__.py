"""The sensor that waits for a video (``task``)."""
