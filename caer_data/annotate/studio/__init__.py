"""The Label Studio server: its environment, guard, accounts, projects and media."""
