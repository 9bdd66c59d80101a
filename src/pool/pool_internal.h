#pragma once
// A pool on pages of the caller's choice: how tests make the system refuse memory. `source` must outlive the pool.

#include <memory>

#include "pages.h"
#include "weir/pool/pool.h"

namespace weir::pool {

Result<std::unique_ptr<Pool>> CreateOn(PageSource& source, PoolOptions options);

}  // namespace weir::pool
