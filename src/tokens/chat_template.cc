#include "weir/tokens/chat_template.h"

namespace weir {

struct ChatTemplate::Parts {
  std::string fingerprint;
};

ChatTemplate::ChatTemplate(std::unique_ptr<const Parts> parts) : parts_(std::move(parts)) {}
ChatTemplate::ChatTemplate(ChatTemplate&&) noexcept = default;
ChatTemplate& ChatTemplate::operator=(ChatTemplate&&) noexcept = default;
ChatTemplate::~ChatTemplate() = default;

Result<ChatTemplate> ChatTemplate::Load(const std::filesystem::path&) {
  return Unsupported("chat templates are not built yet");
}
Result<ChatTemplate> ChatTemplate::FromTokenizerConfig(const Json&) {
  return Unsupported("chat templates are not built yet");
}
Result<ChatTemplate> ChatTemplate::FromSource(std::string_view, const Json&) {
  return Unsupported("chat templates are not built yet");
}
Result<RenderedPrompt> ChatTemplate::Render(const Json&, const Json*, const ChatRenderOptions&) const {
  return Unsupported("chat templates are not built yet");
}
const std::string& ChatTemplate::fingerprint() const { return parts_->fingerprint; }

}  // namespace weir
