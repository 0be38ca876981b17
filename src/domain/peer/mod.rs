//! The P2P protocol as a state machine, without IO.
