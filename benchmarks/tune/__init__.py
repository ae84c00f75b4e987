"""The search of every method's settings, with equal budgets: what may be searched, the search, its table."""
