"""The StarVideos protocol: what to send, how to read answers, when to send again. Pure: no I/O, no Airflow."""
