#include "tools/load_trace.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstddef>
#include <fstream>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "nlohmann/json.hpp"
#include "tools/load_lengths.h"

namespace plumbline {
namespace {

using Json = nlohmann::ordered_json;

constexpr double kMostTraceSeconds = 1e9;  // 30 years
constexpr size_t kMostTraceLine = size_t{16} << 20;

// What is wrong with a line; empty: nothing.
using Fault = std::string;

Fault TakeLength(const Json& line, const char* key, int64_t* length) {
  const auto found = line.find(key);
  if (found == line.end() || !found->is_number_integer()) {
    return absl::StrCat("\"", key, "\" is missing, or no whole number");
  }
  // A number above the signed range would wrap, so it is looked at as it is stored.
  if (found->is_number_unsigned() && found->get<uint64_t>() > static_cast<uint64_t>(kMostLength)) {
    return absl::StrCat("\"", key, "\" is over ", kMostLength);
  }
  *length = found->get<int64_t>();
  return *length >= 1 ? Fault() : absl::StrCat("\"", key, "\" is below 1");
}

Fault TakeHashIds(const Json& line, TraceRequest* request) {
  const auto found = line.find("hash_ids");
  if (found == line.end()) return Fault();
  if (!found->is_array()) return "\"hash_ids\" is no list";
  for (const Json& id : *found) {
    if (!id.is_number_integer()) return "\"hash_ids\" holds something that is no whole number";
    request->hash_ids.push_back(id.is_number_unsigned() ? static_cast<int64_t>(id.get<uint64_t>())
                                                        : id.get<int64_t>());
  }
  const int64_t wanted = (request->prompt_tokens + kTraceBlockTokens - 1) / kTraceBlockTokens;
  if (static_cast<int64_t>(request->hash_ids.size()) == wanted) return Fault();
  return absl::StrCat("\"hash_ids\" has ", request->hash_ids.size(), " ids, and ",
                      request->prompt_tokens, " prompt tokens have ", wanted, " blocks of ",
                      kTraceBlockTokens);
}

Fault TakeJsonLine(absl::string_view text, TraceRequest* request) {
  const Json line = Json::parse(text.begin(), text.end(), nullptr, /*allow_exceptions=*/false);
  if (!line.is_object()) return "this is no JSON object";
  const auto time = line.find("timestamp");
  if (time == line.end() || !time->is_number()) return "\"timestamp\" is missing, or no number";
  request->seconds = time->get<double>() / 1000;
  Fault fault = TakeLength(line, "input_length", &request->prompt_tokens);
  if (fault.empty()) fault = TakeLength(line, "output_length", &request->output_tokens);
  if (fault.empty()) fault = TakeHashIds(line, request);
  return fault;
}

absl::string_view CsvField(absl::string_view field) {
  field = absl::StripAsciiWhitespace(field);
  if (field.size() >= 2 && field.front() == '"' && field.back() == '"') {
    field = field.substr(1, field.size() - 2);
  }
  return field;
}

// Places of the three columns in the rows of a CSV file.
struct CsvColumns {
  static constexpr std::array<absl::string_view, 3> kNames = {"Timestamp", "Request tokens",
                                                              "Response tokens"};
  std::array<size_t, 3> at = {};
};

Fault TakeCsvHeading(absl::string_view text, CsvColumns* columns) {
  const std::vector<absl::string_view> fields = absl::StrSplit(text, ',');
  for (size_t c = 0; c < CsvColumns::kNames.size(); ++c) {
    const auto found = std::find_if(fields.begin(), fields.end(), [&](absl::string_view field) {
      return CsvField(field) == CsvColumns::kNames[c];
    });
    if (found == fields.end()) {
      return absl::StrCat("the heading has no column \"", CsvColumns::kNames[c],
                          "\" (and a JSON trace begins with {)");
    }
    columns->at[c] = static_cast<size_t>(found - fields.begin());
  }
  return Fault();
}

Fault TakeCsvLine(absl::string_view text, const CsvColumns& columns, TraceRequest* request) {
  const std::vector<absl::string_view> fields = absl::StrSplit(text, ',');
  std::array<absl::string_view, 3> values;
  for (size_t c = 0; c < values.size(); ++c) {
    if (columns.at[c] >= fields.size()) {
      return absl::StrCat("there are ", fields.size(), " fields, and \"", CsvColumns::kNames[c],
                          "\" is number ", columns.at[c] + 1);
    }
    values[c] = CsvField(fields[columns.at[c]]);
  }
  if (!absl::SimpleAtod(values[0], &request->seconds)) return "\"Timestamp\" is no number";
  if (!absl::SimpleAtoi(values[1], &request->prompt_tokens) || request->prompt_tokens < 1 ||
      request->prompt_tokens > kMostLength) {
    return absl::StrCat("\"Request tokens\" is no whole number from 1 to ", kMostLength);
  }
  if (!absl::SimpleAtoi(values[2], &request->output_tokens) || request->output_tokens < 0 ||
      request->output_tokens > kMostLength) {
    return absl::StrCat("\"Response tokens\" is no whole number from 0 to ", kMostLength);
  }
  return Fault();
}

absl::Status TraceFault(const std::string& name, int64_t line, const Fault& fault) {
  return absl::InvalidArgumentError(absl::StrCat("trace ", name, ", line ", line, ": ", fault));
}

// The order of time, from 0.
void OrderTrace(std::vector<TraceRequest>& requests) {
  std::stable_sort(
      requests.begin(), requests.end(),
      [](const TraceRequest& a, const TraceRequest& b) { return a.seconds < b.seconds; });
  const double first = requests.front().seconds;
  for (TraceRequest& request : requests) request.seconds -= first;
}

}  // namespace

absl::StatusOr<Trace> ParseTrace(std::istream& in, const std::string& name) {
  Trace trace;
  CsvColumns columns;
  enum class Format : uint8_t { kUnknown, kJson, kCsv } format = Format::kUnknown;
  int64_t number = 0;
  for (std::string line; std::getline(in, line);) {
    ++number;
    if (line.size() > kMostTraceLine) return TraceFault(name, number, "the line is too long");
    const absl::string_view text = absl::StripAsciiWhitespace(line);
    if (text.empty()) continue;
    TraceRequest request;
    Fault fault;
    if (format == Format::kUnknown && text[0] != '{') {
      format = Format::kCsv;
      fault = TakeCsvHeading(text, &columns);
      if (!fault.empty()) return TraceFault(name, number, fault);
      continue;
    }
    if (format == Format::kUnknown) format = Format::kJson;
    fault = format == Format::kJson ? TakeJsonLine(text, &request)
                                    : TakeCsvLine(text, columns, &request);
    if (fault.empty() && !(std::abs(request.seconds) <= kMostTraceSeconds)) {
      fault = absl::StrCat("its time is over ", kMostTraceSeconds, " seconds");
    }
    if (!fault.empty()) return TraceFault(name, number, fault);
    if (request.output_tokens == 0) {
      ++trace.skipped;
    } else {
      trace.requests.push_back(std::move(request));
    }
  }
  if (in.bad())
    return absl::DataLossError(absl::StrCat("trace ", name, " cannot be read to its end"));
  if (trace.requests.empty()) {
    return absl::InvalidArgumentError(absl::StrCat("trace ", name, " has no request"));
  }
  OrderTrace(trace.requests);
  return trace;
}

absl::StatusOr<Trace> ReadTrace(const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  if (!in) {
    return absl::NotFoundError(
        absl::StrCat("trace ", path, " cannot be read: check its name and permissions"));
  }
  return ParseTrace(in, path);
}

}  // namespace plumbline
