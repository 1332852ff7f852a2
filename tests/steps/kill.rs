//! Killed for good at a system call, beside a peer that lives on.
