// Ending a wait from another thread.
#pragma once

#include <ringway/error.hpp>
#include <ringway/handle.hpp>

namespace ringway {

/// What ends a wait of one half: `receiver::interrupter()`, `sender::interrupter()`. Any thread may use it, also while a call of the half waits, and it may outlive the half.
class interrupter {
  public:
    /// Takes a handle over.
    explicit interrupter(ringway_interrupter *handle) : handle_(handle) {}

    /// Ends the wait: its call throws or gives back `RINGWAY_INTERRUPTED`. Where none waits, the next wait ends so in place of sleeping. Does nothing where the half is gone. Not for handlers of signals.
    void interrupt() const { detail::must(ringway_interrupter_interrupt(handle_.get())); }
    [[nodiscard]] const ringway_interrupter *get() const noexcept { return handle_.get(); }

  private:
    detail::owned<ringway_interrupter, ringway_interrupter_free> handle_;
};

} // namespace ringway
