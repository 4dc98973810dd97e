"""Waits in the triggerer: for one video (``task``), and for the videos of a batch (``batch``)."""
