"""Measurements against the budgets of the design; they print over or under and never fail."""
