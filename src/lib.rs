//! Shared-memory IPC for Linux.
