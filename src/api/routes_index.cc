// /v1/index and /v1/search: folders of files by meaning.

#include <utility>

#include "answers.h"
#include "route.h"
#include "schema.h"
#include "status.h"

namespace weir::api {
namespace {

Result<RouteAnswer> Start(RouteCall& call) {
  WEIR_ASSIGN(IndexRequest request, IndexRequestOf(call.service, call.body));
  WEIR_ASSIGN(const IndexJob job, call.service.jobs().Start(call.workspace, std::move(request)));
  RouteAnswer answer;
  answer.status = 202;
  answer.json = JobJson(job);
  answer.headers.push_back({"Location", "/v1/index/" + job.id});
  return answer;
}

Result<RouteAnswer> List(RouteCall& call) {
  Json jobs = Json::MakeArray();
  for (const IndexJob& job : call.service.jobs().List(call.workspace.name())) jobs.Append(JobJson(job));
  RouteAnswer answer;
  answer.json = Json::Object{{"jobs", std::move(jobs)}};
  return answer;
}

Result<RouteAnswer> Get(RouteCall& call) {
  WEIR_ASSIGN(const IndexJob job, call.service.jobs().Get(call.workspace.name(), call.Path("job")));
  RouteAnswer answer;
  answer.json = JobJson(job);
  return answer;
}

Result<RouteAnswer> Cancel(RouteCall& call) {
  WEIR_ASSIGN(const IndexJob job, call.service.jobs().Cancel(call.workspace.name(), call.Path("job")));
  RouteAnswer answer;
  answer.status = 202;
  answer.json = JobJson(job);
  return answer;
}

Result<RouteAnswer> Search(RouteCall& call) {
  RouteAnswer answer;
  WEIR_ASSIGN(answer.json, AnswerSearch({call.service, call.workspace, call.body}));
  return answer;
}

Parameter JobParameter() { return {"job", ParameterPlace::kPath, TextSchema("The job's id.", 1)}; }

}  // namespace

std::vector<Route> IndexRoutes() {
  std::vector<Route> routes;
  routes.push_back(
      {.method = "POST",
       .path = "/v1/index",
       .id = "index_folder",
       .tag = "index",
       .summary = "Index a folder on the daemon's machine",
       .description = "Cuts its text files into chunks and embeds what is new. Needs the scope admin: the daemon reads the "
                      "files with its own rights, in the folders that index_roots allows.",
       .scope = Scope::kAdmin,
       .parameters = {},
       .body =
           ObjectSchema({{"path", TextSchema("Absolute, on the daemon's machine.", 1), true},
                         {"model", TextSchema("An embedding model; the default without it.")},
                         {"file_bytes_max", CountSchema("Larger files are skipped; 1 MiB without it.", 1, (1u << 30) - 1)},
                         {"chunk_tokens", CountSchema("Most tokens of a chunk; 256 without it.", 16, 1u << 20)}}),
       .responses = {{202, "It waits or runs.", Ref("IndexJob")}},
       .handler = Start,
       .idempotency = true});
  routes.push_back({.method = "GET",
                    .path = "/v1/index",
                    .id = "list_index_jobs",
                    .tag = "index",
                    .summary = "Index jobs, the latest first",
                    .description = "Those since the start of the daemon.",
                    .parameters = {},
                    .responses = {{200, "Jobs.", OpenObjectSchema({{"jobs", ListSchema(Ref("IndexJob")), true}})}},
                    .handler = List});
  routes.push_back({.method = "GET",
                    .path = "/v1/index/{job}",
                    .id = "get_index_job",
                    .tag = "index",
                    .summary = "One job: progress, report or error",
                    .description = "",
                    .parameters = {JobParameter()},
                    .responses = {{200, "The job.", Ref("IndexJob")}},
                    .handler = Get});
  routes.push_back({.method = "DELETE",
                    .path = "/v1/index/{job}",
                    .id = "cancel_index_job",
                    .tag = "index",
                    .summary = "End a job soon",
                    .description = "What it has done stays.",
                    .scope = Scope::kAdmin,
                    .parameters = {JobParameter()},
                    .responses = {{202, "The job as it is.", Ref("IndexJob")}},
                    .handler = Cancel});
  routes.push_back({.method = "POST",
                    .path = "/v1/search",
                    .id = "search",
                    .tag = "index",
                    .summary = "Find chunks of indexed files by meaning",
                    .description = "The text is read from the file as it is now; it is null where that changed.",
                    .parameters = {},
                    .body = ObjectSchema({{"query", TextSchema("In words.", 1), true},
                                          {"k", CountSchema("Most hits; 10 without it.", 1, 10'000)},
                                          {"threshold", NumberSchema("Least cosine; all without it.", -1, 1)},
                                          {"root", TextSchema("Only of this tree.")},
                                          {"model", TextSchema("An embedding model; the default without it.")}}),
                    .responses = {{200, "Best first.", Ref("SearchAnswer")}},
                    .handler = Search});
  return routes;
}

}  // namespace weir::api
