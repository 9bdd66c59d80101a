#pragma once
// From read prompts to the layout adviser's input, and from its proposal back to prompts and requests.
//
// Text prompts: every segment is a piece. Chat requests: the system message's text is the piece "system", the tool
// definitions the piece "tools" (as JSON, placed by the template: fixed), every other message a fixed, verbatim piece.
// Pure functions; the renderer borrows what it was made from.

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "weir/advice/layout.h"
#include "weir/base/result.h"
#include "weir/chat/chat_template.h"
#include "weir/codec/json.h"
#include "weir/prompts/chat_request.h"
#include "weir/prompts/prompt_reader.h"
#include "weir/tokens/context.h"

namespace weir {

LayoutCall LayoutCallOf(const Context& context);

// A system message whose content is not one text stays whole (verbatim).
LayoutCall LayoutCallOf(const ChatRequest& request, std::string agent);

// One call per prompt: of its request when it has one, else of its context.
std::vector<LayoutCall> LayoutCallsOf(std::span<const PromptCall> prompts);

// The request's body with the system message and the tools as `pieces` have them; everything else unchanged.
// invalid_argument: a tools piece that is no JSON array.
Result<Json> RequestWithPieces(const ChatRequest& request, std::span<const LayoutPiece> pieces);

// Renders call i of LayoutCallsOf(prompts). `chat_template` may be null when no prompt is a request. All are borrowed.
LayoutRenderer RendererOf(std::span<const PromptCall> prompts, const ChatTemplate* chat_template, int64_t now_local_s);

}  // namespace weir
