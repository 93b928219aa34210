"""What every stage stands on: files, tables, datasets, recipes, processes, finished artifacts."""
