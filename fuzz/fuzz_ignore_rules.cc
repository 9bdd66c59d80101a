// Ignore rules and a path: the first line is the path, the rest the rules. Whatever they are, an answer comes, and rules
// that are repeated give the same one.

#include <algorithm>
#include <optional>
#include <string>

#include "fuzz_input.h"
#include "weir/indexer/ignore_rules.h"

void weir::fuzz::Run(std::string_view input) {
  const size_t end = std::min(input.find('\n'), input.size());
  const std::string_view path = input.substr(0, std::min<size_t>(end, 1000));
  const std::string text(input.substr(std::min(end + 1, input.size())));
  const IgnoreRules rules(text);
  for (const bool is_folder : {false, true}) {
    const std::optional<bool> decided = rules.Decide(path, is_folder);
    WEIR_FUZZ_CHECK(!rules.empty() || !decided);
    // A mark of the byte order counts at the start alone.
    if (!text.starts_with("\xef\xbb\xbf")) {
      WEIR_FUZZ_CHECK(IgnoreRules("\n" + text + "\n" + text).Decide(path, is_folder) ==
                      IgnoreRules("\n" + text + "\n").Decide(path, is_folder));
    }
  }
}
