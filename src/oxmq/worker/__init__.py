"""Run jobs: `Worker` and the small services that it is made of."""
