"""What several tests share: a served ledger, a driven one, ways to break it."""
