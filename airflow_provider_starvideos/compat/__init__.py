"""The only room that touches what Airflow doesn't promise: a module a concern, a contract test a function.

Each function says what it relies on, since which Airflow, and what happens if that is gone. ``tests/compat`` runs on
every supported Airflow, so that a change in Airflow fails there and not in a Dag.
"""
