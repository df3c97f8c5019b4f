// Reads load tests' files. Every value is looked at before it is used: a file may hold anything.
#include <algorithm>
#include <cmath>
#include <fstream>
#include <iterator>
#include <limits>
#include <optional>
#include <utility>
#include <variant>

#include "absl/strings/str_cat.h"
#include "nlohmann/json.hpp"
#include "tools/load_fields.h"
#include "tools/load_json.h"

namespace plumbline {
namespace {

using Json = nlohmann::ordered_json;

// Sums and differences of so large numbers stay finite, and sums of counts within 64 bits.
constexpr double kLargestNumber = 1e30;
constexpr int64_t kLargestCount = int64_t{1} << 38;

// Takes values out of a file, and keeps the first fault.
class LoadFileReader {
 public:
  const absl::Status& status() const { return status_; }

  void Fail(absl::string_view what) {
    if (status_.ok()) {
      status_ = absl::DataLossError(
          absl::StrCat("this is no file of a load test: ", what, "; write one with load --json"));
    }
  }
  // An empty value where there is none.
  const Json& At(const Json& json, const char* key) {
    static const Json none;
    const auto found = json.find(key);
    if (json.is_object() && found != json.end()) return *found;
    Fail(absl::StrCat("\"", key, "\" is missing"));
    return none;
  }
  void Number(const Json& json, const char* key, double* value) {
    if (!json.is_number()) return Fail(absl::StrCat("\"", key, "\" is no number"));
    *value = json.get<double>();
    if (!(std::abs(*value) <= kLargestNumber)) {
      Fail(absl::StrCat("\"", key, "\" is larger than any run has it"));
    }
  }
  void Number(const Json& json, const char* key, int64_t* value) {
    constexpr auto kMost = static_cast<uint64_t>(std::numeric_limits<int64_t>::max());
    if (!json.is_number_integer() || (json.is_number_unsigned() && json.get<uint64_t>() > kMost)) {
      return Fail(absl::StrCat("\"", key, "\" is no whole number"));
    }
    *value = json.get<int64_t>();
    if (*value < -kLargestCount || *value > kLargestCount) {
      Fail(absl::StrCat("\"", key, "\" is larger than any run has it"));
    }
  }
  void Number(const Json& json, const char* key, uint64_t* value) {
    if (!json.is_number_unsigned()) return Fail(absl::StrCat("\"", key, "\" is no whole number"));
    *value = json.get<uint64_t>();
  }
  void Text(const Json& json, const char* key, std::string* value) {
    if (!json.is_string()) return Fail(absl::StrCat("\"", key, "\" is no text"));
    *value = json.get<std::string>();
  }
  const Json& Array(const Json& json, const char* key) {
    const Json& value = At(json, key);
    static const Json none = Json::array();
    if (value.is_array()) return value;
    Fail(absl::StrCat("\"", key, "\" is no list"));
    return none;
  }
  template <class Record>
  void Field(const Json& json, const LoadField<Record>& field, Record* record) {
    std::visit([&](auto member) { Number(json, field.name, &(record->*member)); }, field.member);
  }

 private:
  absl::Status status_;
};

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

// The entries of a list of `size` entries.
bool IsRow(LoadFileReader& reader, const Json& json, size_t size, const char* name) {
  if (json.is_array() && json.size() == size) return true;
  reader.Fail(absl::StrCat("an entry of \"", name, "\" is no list of ", size));
  return false;
}

// Older files have none. Bounded, since predictions make a span of each stream.
std::vector<ReferenceStep> TakeReferenceSteps(LoadFileReader& reader, const Json& json) {
  const char* name = "reference_steps";
  const auto fits = [](int64_t value) { return value >= 0 && value <= int64_t{1} << 20; };
  std::vector<ReferenceStep> steps;
  if (!json.contains(name)) return steps;
  for (const Json& row : reader.Array(json, name)) {
    if (!IsRow(reader, row, 3, name)) continue;
    ReferenceStep step;
    reader.Number(row[0], name, &step.streams);
    reader.Number(row[1], name, &step.position);
    reader.Number(row[2], name, &step.prompt_tokens);
    if (fits(step.streams) && fits(step.position) && fits(step.prompt_tokens) &&
        step.rows() > (steps.empty() ? 0 : steps.back().rows())) {
      steps.push_back(step);
    } else {
      reader.Fail(absl::StrCat("\"", name, "\" do not ascend in rows, or are out of bounds"));
    }
  }
  return steps;
}

// Older files have none. A mark has four numbers, and each reference step's seconds by class.
std::vector<AnchorMark> TakeMarks(LoadFileReader& reader, const Json& json, size_t steps) {
  const char* name = "anchor_marks";
  constexpr size_t kOwn = 4;
  std::vector<AnchorMark> marks;
  if (!json.contains(name)) return marks;
  for (const Json& row : reader.Array(json, name)) {
    if (!IsRow(reader, row, kOwn + steps, name)) continue;
    const double before = marks.empty() ? 0 : marks.back().seconds;
    AnchorMark& mark = marks.emplace_back();
    reader.Number(row[0], name, &mark.seconds);
    reader.Number(row[1], name, &mark.cost_seconds);
    reader.Number(row[2], name, &mark.anchors.matmul_flops_per_second);
    reader.Number(row[3], name, &mark.anchors.read_bytes_per_second);
    CheckAnchors(reader, mark.anchors);
    for (size_t i = 0; i < steps; ++i) {
      ClassSeconds& seconds = mark.steps.emplace_back();
      if (!IsRow(reader, row[kOwn + i], seconds.size(), name)) continue;
      for (size_t c = 0; c < seconds.size(); ++c) {
        reader.Number(row[kOwn + i][c], name, &seconds[c]);
        if (!(seconds[c] >= 0)) reader.Fail("a reference step took less than no time");
      }
    }
    if (mark.seconds < before) reader.Fail(absl::StrCat("\"", name, "\" go back in time"));
  }
  return marks;
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
    if (!IsRow(reader, row, 3, "chunks")) continue;
    ChunkRecord& chunk = request.chunks.emplace_back();
    reader.Number(row[0], "chunks", &chunk.step);
    reader.Number(row[1], "chunks", &chunk.first);
    reader.Number(row[2], "chunks", &chunk.tokens);
    if (chunk.step < 0 || chunk.step >= steps)
      reader.Fail("a chunk names a step that is not there");
  }
  for (const Json& row : reader.Array(json, "preemptions")) {
    if (!IsRow(reader, row, 2, "preemptions")) continue;
    PreemptionRecord& gone = request.preemptions.emplace_back();
    reader.Number(row[0], "preemptions", &gone.evicted_seconds);
    reader.Number(row[1], "preemptions", &gone.resumed_seconds);
  }
  return request;
}

// Of a file that has so many reference steps.
RepetitionRecord TakeRepetition(LoadFileReader& reader, const Json& json, size_t reference_steps) {
  RepetitionRecord repetition;
  reader.Number(reader.At(json, "warm_up_seconds"), "warm_up_seconds", &repetition.warm_up_seconds);
  reader.Number(reader.At(json, "end_seconds"), "end_seconds", &repetition.end_seconds);
  const Json& interrupted = reader.At(json, "interrupted");
  if (!interrupted.is_boolean()) reader.Fail("\"interrupted\" is neither true nor false");
  repetition.interrupted = interrupted.is_boolean() && interrupted.get<bool>();
  repetition.anchors_before = TakeAnchors(reader, reader.At(json, "anchors_before"));
  repetition.anchors_after = TakeAnchors(reader, reader.At(json, "anchors_after"));
  repetition.anchor_marks = TakeMarks(reader, json, reference_steps);
  for (const Json& row : reader.Array(json, "steps")) {
    if (!IsRow(reader, row, kStepFields.size(), "steps")) continue;
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
  record.reference_steps = TakeReferenceSteps(reader, json);
  for (const Json& repetition : reader.Array(json, "repetitions")) {
    record.repetitions.push_back(TakeRepetition(reader, repetition, record.reference_steps.size()));
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
