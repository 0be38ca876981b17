//! Stratum V1: codec, session, share checks, vardiff.
