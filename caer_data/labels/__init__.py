"""From answers to labels: acceptance, decision rules, agreement, import from CSV."""
