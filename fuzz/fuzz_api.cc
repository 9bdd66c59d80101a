// Requests by hand through the whole API over one service in memory-backed files: never 500, always an answer in its form.
//
// Input: first byte the place of a method, then lines: target, headers as "name: value" up to an empty line, body.

#include <array>
#include <memory>

#include "byte_tokenizer.h"
#include "fuzz_input.h"
#include "weir/api/api.h"

namespace {

using namespace weir;

// One service, made once; its contexts come and go with the inputs, in a registry that is small enough to fill.
struct Daemon {
  Daemon() {
    const std::filesystem::path folder = fuzz::InputFile({}, "none").parent_path() / "api";
    ServiceOptions options;
    options.data = folder;
    options.sync = false;
    options.registry.tokenizers.push_back({"bytes", std::make_shared<testing::ByteTokenizer>()});
    options.registry.contexts_bytes = 4 << 20;
    options.embeddings_bytes = 4 << 20;
    options.index_roots = {folder / "nothing"};
    service = *Service::Create(std::move(options));
    WEIR_CHECK(service->Open().has_value());
    api = std::make_unique<Api>(ApiOptions{.service = service.get(), .access = &access});
  }

  Access access{{}};
  std::unique_ptr<Service> service;
  std::unique_ptr<Api> api;
};

std::string_view TakeLine(std::string_view& rest) {
  const size_t end = rest.find('\n');
  const std::string_view line = rest.substr(0, end);
  rest = end == std::string_view::npos ? std::string_view() : rest.substr(end + 1);
  return line;
}

HttpRequest RequestOf(std::string_view input) {
  constexpr std::array kMethods = {"GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS", "TRACE"};
  HttpRequest request;
  request.method = kMethods[static_cast<unsigned char>(input.front()) % kMethods.size()];
  input.remove_prefix(1);
  request.target = TakeLine(input);
  const size_t question = request.target.find('?');
  request.path = request.target.substr(0, question);
  if (question != std::string::npos) request.query = request.target.substr(question + 1);
  request.host = "localhost";
  for (std::string_view line = TakeLine(input); !line.empty(); line = TakeLine(input)) {
    const size_t colon = line.find(": ");
    if (colon != std::string_view::npos) {
      request.headers.Add(std::string(line.substr(0, colon)), std::string(line.substr(colon + 2)));
    }
  }
  request.body = input;
  if (!request.body.empty() && !request.headers.Has("content-type")) {
    request.headers.Add("Content-Type", "application/json");
  }
  request.peer = std::make_shared<HttpPeer>();
  request.cancellation = std::make_shared<HttpCancellation>();
  return request;
}

}  // namespace

void weir::fuzz::Run(std::string_view input) {
  static Daemon* const kDaemon = new Daemon;  // lives as long as the process
  if (input.empty()) return;
  const HttpResponse response = kDaemon->api->Handle(RequestOf(input));
  WEIR_FUZZ_CHECK(response.status >= 200 && response.status < 600 && response.status != 500);
  if (response.headers.Find("content-type") == "application/json") {
    const Result<Json> body = Json::ParseUnique(response.body);
    WEIR_FUZZ_CHECK(body.has_value());
    WEIR_FUZZ_CHECK((response.status >= 400) == (body->Find("error") != nullptr && body->Find("id") == nullptr));
  }
}
