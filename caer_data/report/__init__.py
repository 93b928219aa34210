"""Report pages, and facts about a dataset for the terminal."""
