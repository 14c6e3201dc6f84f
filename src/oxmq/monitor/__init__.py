"""Show people what goes on in queues: read models for the HTTP API, the dashboard and the command line."""
