"""``python -m airflow_provider_starvideos.check``: does the real server behave as this provider assumes?

StarVideos documents two calls and little else, so the provider relies on assumptions. Here they are a table, each with
what it means if it doesn't hold. Nothing is ordered unless ``--order-one-video`` says so; see ``docs/check.md``.
"""
