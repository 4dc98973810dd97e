"""Videos as files: fetched from a temporary URL, checked, and put where they belong; and inputs out of a bucket."""
