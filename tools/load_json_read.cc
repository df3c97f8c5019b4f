// Reads load tests' files.
#include <algorithm>
#include <cmath>
#include <fstream>
#include <iterator>
#include <optional>
#include <utility>

#include "absl/strings/str_cat.h"
#include "nlohmann/json.hpp"
#include "tools/load_fields.h"
#include "tools/load_file_reader.h"
#include "tools/load_json.h"

namespace plumbline {
namespace {

using Json = LoadFileReader::Json;

void CheckAnchors(LoadFileReader& reader, const Anchors& anchors) {
  if (anchors.matmul_flops_per_second > 0 && anchors.read_bytes_per_second > 0) return;
  reader.Fail("an anchor is not above 0");
}

std::optional<Anchors> TakeAnchors(LoadFileReader& reader, const Json& json) {
  if (json.is_null()) return std::nullopt;
  Anchors anchors;
  const char* matmul = "matmul_flops_per_second";
  const char* read = "read_bytes_per_second";
  reader.Number(reader.At(json, matmul), matmul, &anchors.matmul_flops_per_second);
  reader.Number(reader.At(json, read), read, &anchors.read_bytes_per_second);
  CheckAnchors(reader, anchors);
  return anchors;
}

// Older files have none.
std::vector<AnchorMark> TakeMarks(LoadFileReader& reader, const Json& json) {
  const char* name = "anchor_marks";
  std::vector<AnchorMark> marks;
  if (!json.contains(name)) return marks;
  for (const Json& row : reader.Array(json, name)) {
    if (!reader.IsRow(row, 4, name)) continue;
    const double before = marks.empty() ? 0 : marks.back().seconds;
    AnchorMark& mark = marks.emplace_back();
    reader.Number(row[0], name, &mark.seconds);
    reader.Number(row[1], name, &mark.cost_seconds);
    reader.Number(row[2], name, &mark.anchors.matmul_flops_per_second);
    reader.Number(row[3], name, &mark.anchors.read_bytes_per_second);
    CheckAnchors(reader, mark.anchors);
    if (mark.seconds < before) reader.Fail(absl::StrCat("\"", name, "\" go back in time"));
  }
  return marks;
}

// Bounded, so that what predictions count of them stays within 64 bits: at most 2^16 rows of at
// most 2^20 keys each.
std::vector<SpanShape> TakeSpans(LoadFileReader& reader, const Json& json, const char* name) {
  constexpr int64_t kMostRows = int64_t{1} << 16;
  constexpr int64_t kMostKeys = int64_t{1} << 20;
  std::vector<SpanShape> spans;
  int64_t rows = 0;
  if (!json.is_array()) reader.Fail(absl::StrCat("\"", name, "\" have spans that are no list"));
  for (const Json& row : json) {
    if (!reader.IsRow(row, 3, name)) continue;
    SpanShape& span = spans.emplace_back();
    reader.Number(row[0], name, &span.first);
    reader.Number(row[1], name, &span.count);
    reader.Number(row[2], name, &span.logit_rows);
    if (span.first < 0 || span.count < 1 || span.first > kMostKeys - span.count ||
        span.logit_rows < 0 || span.logit_rows > span.count || span.count > kMostRows - rows) {
      reader.Fail(absl::StrCat("a span of \"", name, "\" is out of bounds"));
      return {};
    }
    rows += span.count;
  }
  if (spans.empty()) reader.Fail(absl::StrCat("an entry of \"", name, "\" has no span"));
  return spans;
}

// Older files have none.
std::vector<RepeatedStep> TakeRepeatedSteps(LoadFileReader& reader, const Json& json) {
  const char* name = "repeated_steps";
  std::vector<RepeatedStep> steps;
  if (!json.contains(name)) return steps;
  for (const Json& row : reader.Array(json, name)) {
    RepeatedStep step;
    if (!reader.IsRow(row, 4, name) || !reader.IsRow(row[3], step.classes.size(), name)) continue;
    reader.Number(row[0], name, &step.seconds);
    reader.Number(row[1], name, &step.cost_seconds);
    step.spans = TakeSpans(reader, row[2], name);
    for (size_t c = 0; c < step.classes.size(); ++c) {
      reader.Number(row[3][c], name, &step.classes[c]);
      if (!(step.classes[c] >= 0)) reader.Fail("a repeated step took less than no time");
    }
    if (step.seconds < (steps.empty() ? 0 : steps.back().seconds)) {
      reader.Fail(absl::StrCat("\"", name, "\" go back in time"));
    }
    steps.push_back(std::move(step));
  }
  return steps;
}

LoadOutcome TakeOutcome(LoadFileReader& reader, const Json& json) {
  std::string name;
  reader.Text(json, "outcome", &name);
  for (const LoadOutcome outcome :
       {LoadOutcome::kCompleted, LoadOutcome::kCancelled, LoadOutcome::kExpired,
        LoadOutcome::kRefused, LoadOutcome::kFailed, LoadOutcome::kUnfinished}) {
    if (name == LoadOutcomeName(outcome)) return outcome;
  }
  reader.Fail(absl::StrCat("\"", name, "\" is no outcome"));
  return LoadOutcome::kUnfinished;
}

RequestRecord TakeRequest(LoadFileReader& reader, const Json& json, int64_t steps) {
  RequestRecord request;
  for (const LoadField<RequestRecord>& field : kRequestFields) {
    reader.Field(reader.At(json, field.name), field, &request);
  }
  request.outcome = TakeOutcome(reader, reader.At(json, "outcome"));
  if (json.contains("error")) reader.Text(json["error"], "error", &request.error);
  for (const Json& seconds : reader.Array(json, "token_seconds")) {
    reader.Number(seconds, "token_seconds", &request.token_seconds.emplace_back());
  }
  for (const Json& row : reader.Array(json, "chunks")) {
    if (!reader.IsRow(row, 3, "chunks")) continue;
    ChunkRecord& chunk = request.chunks.emplace_back();
    reader.Number(row[0], "chunks", &chunk.step);
    reader.Number(row[1], "chunks", &chunk.first);
    reader.Number(row[2], "chunks", &chunk.tokens);
    if (chunk.step < 0 || chunk.step >= steps)
      reader.Fail("a chunk names a step that is not there");
  }
  for (const Json& row : reader.Array(json, "preemptions")) {
    if (!reader.IsRow(row, 2, "preemptions")) continue;
    PreemptionRecord& gone = request.preemptions.emplace_back();
    reader.Number(row[0], "preemptions", &gone.evicted_seconds);
    reader.Number(row[1], "preemptions", &gone.resumed_seconds);
  }
  return request;
}

RepetitionRecord TakeRepetition(LoadFileReader& reader, const Json& json) {
  RepetitionRecord repetition;
  reader.Number(reader.At(json, "warm_up_seconds"), "warm_up_seconds", &repetition.warm_up_seconds);
  reader.Number(reader.At(json, "end_seconds"), "end_seconds", &repetition.end_seconds);
  const Json& interrupted = reader.At(json, "interrupted");
  if (!interrupted.is_boolean()) reader.Fail("\"interrupted\" is neither true nor false");
  repetition.interrupted = interrupted.is_boolean() && interrupted.get<bool>();
  repetition.anchors_before = TakeAnchors(reader, reader.At(json, "anchors_before"));
  repetition.anchors_after = TakeAnchors(reader, reader.At(json, "anchors_after"));
  repetition.anchor_marks = TakeMarks(reader, json);
  repetition.repeated_steps = TakeRepeatedSteps(reader, json);
  for (const Json& row : reader.Array(json, "steps")) {
    if (!reader.IsRow(row, kStepFields.size(), "steps")) continue;
    StepRecord& step = repetition.steps.emplace_back();
    for (size_t i = 0; i < kStepFields.size(); ++i) reader.Field(row[i], kStepFields[i], &step);
  }
  const auto steps = static_cast<int64_t>(repetition.steps.size());
  for (const Json& request : reader.Array(json, "requests")) {
    if (!request.is_object()) {
      reader.Fail("a request is no object");
      continue;
    }
    repetition.requests.push_back(TakeRequest(reader, request, steps));
  }
  return repetition;
}

// Whether the bytes that reports compute from it stay within 64 bits.
bool BytesFit(const LoadRecord& record) {
  constexpr double kMostBytes = 4e18;
  const auto size = [](int64_t value) { return std::abs(static_cast<double>(value)); };
  const double slot_bytes =
      size(record.block_bytes / std::max<int64_t>(std::abs(record.block_tokens), 1));
  const double token_bytes =
      std::max({size(record.token_bytes), size(record.article_token_bytes), slot_bytes});
  for (const RepetitionRecord& repetition : record.repetitions) {
    for (const StepRecord& step : repetition.steps) {
      const double tokens = size(step.cached_tokens) + size(step.waste_tokens);
      if (std::max(tokens * token_bytes, size(step.blocks_used) * size(record.block_bytes)) >
          kMostBytes) {
        return false;
      }
    }
  }
  return true;
}

}  // namespace

absl::StatusOr<LoadFile> ParseLoadJson(absl::string_view text) {
  const Json json = Json::parse(text.begin(), text.end(), nullptr, /*allow_exceptions=*/false);
  LoadFileReader reader;
  LoadFile file;
  LoadRecord& record = file.record;
  int64_t version = 0;
  reader.Number(reader.At(json, "plumbline_load"), "plumbline_load", &version);
  if (!reader.status().ok()) return reader.status();
  if (version != kLoadFileVersion) {
    return absl::FailedPreconditionError(absl::StrCat("the file has version ", version,
                                                      ", and this program reads version ",
                                                      kLoadFileVersion, ": run the load again"));
  }
  reader.Text(reader.At(json, "model"), "model", &record.model);
  reader.Text(reader.At(json, "target"), "target", &record.target);
  reader.Text(reader.At(json, "weights"), "weights", &record.weights);
  reader.Text(reader.At(json, "kv_dtype"), "kv_dtype", &record.kv_dtype);
  reader.Text(reader.At(json, "workload"), "workload", &record.workload);
  reader.Number(reader.At(json, "seed"), "seed", &record.seed);
  reader.Number(reader.At(json, "salt"), "salt", &record.salt);
  for (const auto& [name, value] : reader.At(json, "policy").items()) {
    reader.Text(value, "policy", &record.policy.emplace_back(name, "").second);
  }
  for (const LoadField<LoadRecord>& field : kRunFields) {
    reader.Field(reader.At(json, field.name), field, &record);
  }
  for (const Json& repetition : reader.Array(json, "repetitions")) {
    record.repetitions.push_back(TakeRepetition(reader, repetition));
  }
  if (!BytesFit(record)) reader.Fail("its cache holds more bytes than 64 bits can count");
  std::string slo;
  reader.Text(reader.At(json, "slo"), "slo", &slo);
  if (!reader.status().ok()) return reader.status();
  if (slo.empty()) return file;
  absl::StatusOr<LoadSlo> parsed = ParseSlo(slo);
  if (!parsed.ok()) return parsed.status();
  file.slo = *std::move(parsed);
  return file;
}

absl::StatusOr<LoadFile> ReadLoadFile(const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  if (!in) {
    return absl::NotFoundError(
        absl::StrCat(path, " cannot be read: check its name and permissions"));
  }
  const std::string text(std::istreambuf_iterator<char>(in), {});
  absl::StatusOr<LoadFile> file = ParseLoadJson(text);
  if (file.ok()) return file;
  return absl::Status(file.status().code(), absl::StrCat(path, ": ", file.status().message()));
}

}  // namespace plumbline
