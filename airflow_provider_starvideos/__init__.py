"""Apache Airflow provider for StarVideos O3."""

__version__ = "0.1.0"
