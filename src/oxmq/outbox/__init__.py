"""Write jobs in the database transaction that they belong to, and relay them to Redis once it has committed.

`oxmq.outbox.sqlalchemy` is for SQLAlchemy, `oxmq.outbox.django` for Django's ORM.
"""
