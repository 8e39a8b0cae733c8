//! Money in integers.
