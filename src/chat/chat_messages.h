#pragma once
// Chat messages as the template sees them. Internal to `chat`; pure.

#include "jinja_value.h"
#include "weir/chat/chat_template.h"
#include "weir/codec/json.h"

namespace weir {

// A list of dicts whose strings know their message. `keep_parts`: the template walks over content parts.
// Throws TemplateFault for parts that an engine would turn into something other than text.
jinja_rendering::Value MessagesForTemplate(const Json& messages, ChatInput input, bool keep_parts);

}  // namespace weir
