"""Who may do what: pure decisions, each with a reason."""
