"""The foundation of every stage: files, tables, datasets, recipes, processes and artifacts."""
