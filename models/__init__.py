"""Model and training recipes: YAML files a researcher edits."""
