"""Images a second of the whole job, beside its bare step."""
