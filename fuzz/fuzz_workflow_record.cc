// A workflow record: what is read and written again is read the same.

#include <string>

#include "fuzz_input.h"
#include "workflows.h"

void weir::fuzz::Run(std::string_view input) {
  const Result<registry::StoredWorkflow> stored = registry::ReadWorkflowRecord(input);
  if (!stored) return;
  const std::string written = registry::WriteWorkflowRecord(stored->run, stored->revision);
  WEIR_FUZZ_CHECK(written == input);
  const Result<registry::StoredWorkflow> again = registry::ReadWorkflowRecord(written);
  WEIR_FUZZ_CHECK(again.has_value() && again->revision == stored->revision);
  WEIR_FUZZ_CHECK(again->run.state() == stored->run.state());
  (void)again->run.FarthestFirst();
}
