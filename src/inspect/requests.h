#pragma once
// What the server answers to one line.

#include <string>
#include <string_view>

#include "weir/base/result.h"
#include "weir/broker/broker.h"
#include "weir/codec/json.h"

namespace weir::inspect {

// Always an object; an error is {"error":{...}}. Anything may come in.
Json AnswerTo(std::string_view line, Broker& broker, const std::string& process);

Json ErrorAnswer(const Error& error);

}  // namespace weir::inspect
