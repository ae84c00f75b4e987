"""Studies of the roles that learn while they act: MAML, test-time adaptation, curricula."""
