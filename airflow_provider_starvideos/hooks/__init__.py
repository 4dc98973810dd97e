"""The hook: turns an Airflow connection into calls of the API."""
