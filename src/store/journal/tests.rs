//! The stored form, and what is read back.
