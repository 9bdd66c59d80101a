#pragma once
// Messages to the service manager that started this process (systemd's NOTIFY_SOCKET protocol): a plain datagram each.
// Nothing happens where there is none.

#include <cstdint>
#include <string_view>

#include "environment.h"

namespace weir {

// "READY=1", "STOPPING=1", "RELOADING=1\nMONOTONIC_USEC=...", "STATUS=...", "WATCHDOG=1". False: there is nobody to tell.
bool TellSupervisor(const Environment& environment, std::string_view message);

// Half of what the manager's watchdog allows between two messages; 0: it has none.
uint64_t WatchdogPeriodUs(const Environment& environment);

}  // namespace weir
