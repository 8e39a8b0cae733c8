//! The real binary, as operators run it: arguments, environment, exit codes, signals, what is printed.

mod cached;
mod configuration;
mod demo;
mod disks;
mod drained;
mod killed;
mod minted;
mod process;
mod quotas;
mod running;
mod unread;
mod usage;
