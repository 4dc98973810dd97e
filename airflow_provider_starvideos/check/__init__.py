"""``python -m airflow_provider_starvideos.check``: does the real server behave as this provider assumes?

StarVideos documents two calls and little else. Each assumption names the decision that rests on it, and what it means
if it doesn't hold; see ``docs/check.md``.
"""
