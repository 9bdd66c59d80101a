#pragma once
// What the endpoint reads out of header fields and writes into answers. Pure functions. Private to the room.

#include <optional>
#include <string>
#include <string_view>

#include "catalog.h"
#include "json_rpc.h"
#include "request.h"
#include "weir/http/message.h"
#include "weir/mcp/http_endpoint.h"

namespace weir::mcp {

// Nothing is wrong with Host and Origin, or what is.
std::optional<std::string> ForeignOrigin(const HttpRequest& request, const McpHttpOptions& options);

struct Accepts {
  bool json = false;
  bool events = false;
};
Accepts ReadAccept(const HttpHeaders& headers);
bool IsJsonBody(const HttpHeaders& headers);

// A field value as its sender meant it: without white space around it, =?base64?...?= decoded. Nothing when it holds
// characters that no field may hold or base64 that is none.
std::optional<std::string> DecodedField(std::string_view value);

// What the standard fields of a modern request have against its body: -32020, or nothing. `entry` is the tool of tools/call,
// or null.
std::optional<RpcError> HeaderMismatch(const HttpHeaders& headers, const std::string& method, const Json& params,
                                       const ToolEntry* entry);

HttpResponse JsonResponse(int status, const Json& body);
// An answer that belongs to no request.
HttpResponse FaultResponse(int status, int code, std::string_view message);
// What the outcome adds to an error's answer: 403 and 503 with their fields; 0: nothing.
int SpecialStatus(const Outcome& outcome, HttpHeaders& headers);

}  // namespace weir::mcp
