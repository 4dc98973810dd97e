"""The StarVideos protocol: what to send, how to read it, when to send it again. Pure: no I/O, no Airflow."""
