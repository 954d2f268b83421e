"""Proof of a record: bundles to hand over, signatures, and the verifier of both."""
