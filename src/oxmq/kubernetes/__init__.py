"""Run heavy jobs in pods of their own: a Kubernetes Job for each attempt, followed and reconciled."""
