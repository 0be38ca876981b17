//! What other nodes got wrong about scripts, a test a row; the number is the row's.
