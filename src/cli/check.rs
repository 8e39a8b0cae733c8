//! (command under construction)
