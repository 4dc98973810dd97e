"""The only package that uses what Airflow doesn't promise. Each module has one concern.

Each function says what it relies on, since which Airflow, and what happens without it. ``tests/compat`` runs on every
supported Airflow, so that a change of Airflow fails there and not in a Dag.
"""
