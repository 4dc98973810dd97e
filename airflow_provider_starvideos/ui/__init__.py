"""The videos of a run in Airflow's own UI: a tab, a gallery, and a page over recent runs (Airflow 3.1+)."""
