//! Shares into satoshis: PPLNS, double entry.
