"""Tools for working on the provider: a real Airflow for tests, and the demo. Not part of the package."""
