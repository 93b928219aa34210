"""Dataset recipes: YAML files a researcher edits."""
