"""Talk to Redis. No other part of oxmq imports the Redis client."""
