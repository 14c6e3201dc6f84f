"""Hold the parts that tests share: real servers, a fault proxy, and waiting on facts."""
