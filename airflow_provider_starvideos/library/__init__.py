"""A library of finished videos: a folder in any store, in which a request finds the video that it has already.

``docs/library.md`` documents the format: files, and names that come from requests.
"""
